import java.util.concurrent.atomic.AtomicInteger;

/** A server or a client by Netty, or for gRPC by grpc-java, with netty-tcnative; JSSE is the JDK's own server: `Peer serve KIND ADDRESS`,
 * `Peer ask KIND ADDRESS REQUESTS STREAMS`; see the go one. */
public final class Peer {
  static final String CERT = System.getenv("CERT"), KEY = System.getenv("KEY"), LOAD = System.getenv("LOAD");
  static final String[] ANSWERS = System.getenv("ANSWERS").split(",");

  /** What the last part of a path asks for. */
  record Answer(int code, int messages, int size) {
    static Answer of(String path) {
      String last = path.substring(path.lastIndexOf('/') + 1);
      int n = Integer.parseInt(last.substring(1));
      return switch (last.charAt(0)) {
        case 'S' -> new Answer(n, 1, 0);
        case 'M' -> new Answer(0, n, 0);
        default -> new Answer(0, 1, n);
      };
    }
  }

  static String asked(int i) {
    return ANSWERS[i % ANSWERS.length];
  }

  static String parent(int i) {
    return String.format("00-%s%016x-%s%08x-01", LOAD, i + 1, LOAD.substring(8), i + 1);
  }

  /** Netty unpacks a new file of its BoringSSL in each process, which is there from the first handshake on; it has to be found before the
   * first request. */
  static void settle() throws InterruptedException {
    if (CERT != null) {
      Thread.sleep(1000);
    }
  }

  interface Asker {
    void ask(int i) throws Exception;
  }

  interface Maker {
    Asker make() throws Exception;
  }

  /** Makes the requests, so many at a time, each of them by what its thread has made. */
  static void ask(int requests, int streams, Maker maker) throws Exception {
    AtomicInteger next = new AtomicInteger();
    Thread[] threads = new Thread[streams];
    for (int k = 0; k < streams; k++) {
      threads[k] = new Thread(() -> {
        try {
          Asker one = maker.make();
          for (int i = next.getAndIncrement(); i < requests; i = next.getAndIncrement()) {
            one.ask(i);
          }
        } catch (Exception e) {
          e.printStackTrace();
          System.exit(1);
        }
      });
      threads[k].start();
    }
    for (Thread t : threads) {
      t.join();
    }
    Thread.sleep(100);
    System.exit(0);
  }

  public static void main(String[] args) throws Exception {
    String host = args[2].substring(0, args[2].indexOf(':'));
    int port = Integer.parseInt(args[2].substring(args[2].indexOf(':') + 1));
    switch (args[0] + " " + args[1]) {
      case "serve grpc" -> Call.serve(host, port);
      case "serve netty" -> Web.serve(host, port);
      case "serve jsse" -> Jsse.serve(host, port);
      case "ask grpc" -> Call.ask(host, port, Integer.parseInt(args[3]), Integer.parseInt(args[4]));
      default -> Web.ask(host, port, Integer.parseInt(args[3]), Integer.parseInt(args[4]));
    }
  }
}
