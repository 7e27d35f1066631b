import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * A service on PORT with a thread for each connection, which has one of 16 others call /leaf/N of the service itself. Nobody wakes anybody,
 * and but for what is said below nothing that the others hold is made by a thread that reads requests.
 *
 * <p>/over/N has the other thread hold what the thread of any request has allocated, /job/N what that of this one has.
 */
final class Handed {
    private static final int PORT = Integer.parseInt(System.getenv("PORT"));
    private static final Object[] MADE = new Object[8];
    private static final Worker[] WORKERS = new Worker[16];

    public static void main(String[] args) throws IOException {
        try (ServerSocket server = new ServerSocket(PORT, 64, InetAddress.getLoopbackAddress())) {
            for (int i = 0; i < WORKERS.length; i++) {
                WORKERS[i] = new Worker();
                WORKERS[i].setDaemon(true);
                WORKERS[i].start();
            }
            while (true) {
                Socket socket = server.accept();
                socket.setTcpNoDelay(true);
                Thread reader = new Thread(() -> serve(socket));
                reader.setDaemon(true);
                reader.start();
            }
        }
    }

    private static void serve(Socket socket) {
        try (socket) {
            while (true) {
                String head = head(socket.getInputStream());
                if (head.isEmpty()) {
                    return;
                }
                String[] path = head.split(" ", 3)[1].split("/");
                if (!path[1].equals("leaf")) {
                    Object made = new Object();
                    MADE[ThreadLocalRandom.current().nextInt(MADE.length)] = made;
                    hand(Integer.parseInt(path[2]), path[1].equals("job") ? made : null);
                }
                socket.getOutputStream().write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".getBytes());
            }
        } catch (IOException e) {
            // the client has gone
        }
    }

    private static String head(InputStream in) throws IOException {
        byte[] all = new byte[4096];
        int n = 0;
        while (n < 4 || all[n - 4] != '\r' || all[n - 3] != '\n' || all[n - 2] != '\r' || all[n - 1] != '\n') {
            int read = in.read(all, n, all.length - n);
            if (read <= 0) {
                return "";
            }
            n += read;
            if (new String(all, 0, n).endsWith("\r\n\r\nok")) {
                break;
            }
        }
        return new String(all, 0, n);
    }

    private static void hand(int number, Object job) {
        Worker worker;
        do {
            worker = WORKERS[ThreadLocalRandom.current().nextInt(WORKERS.length)];
        } while (!worker.state.compareAndSet(Worker.IDLE, Worker.CHOSEN));
        worker.number = number;
        worker.job = job;
        worker.state.set(Worker.BUSY);
        while (worker.state.get() != Worker.DONE) {
            LockSupport.parkNanos(20_000);
        }
        worker.state.set(Worker.IDLE);
    }

    private static final class Worker extends Thread {
        static final int IDLE = 0;
        static final int CHOSEN = 1;
        static final int BUSY = 2;
        static final int DONE = 3;
        final AtomicInteger state = new AtomicInteger();
        volatile int number;
        volatile Object job;
        private Socket socket;

        @Override
        public void run() {
            try {
                socket = new Socket(InetAddress.getLoopbackAddress(), PORT);
                socket.setTcpNoDelay(true);
                while (true) {
                    if (state.get() != BUSY) {
                        LockSupport.parkNanos(20_000);
                    } else if (job == null) {
                        over(MADE[ThreadLocalRandom.current().nextInt(MADE.length)]);
                        state.set(DONE);
                    } else {
                        handed(job, this);
                        state.set(DONE);
                    }
                }
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        }

        private int over(Object held) throws IOException {
            call();
            return System.identityHashCode(held);
        }

        // Another argument makes the stack deeper than that of over: what was found out of its places does not count for these.
        private int handed(Object held, Object further) throws IOException {
            call();
            return System.identityHashCode(held) ^ System.identityHashCode(further);
        }

        private void call() throws IOException {
            socket.getOutputStream().write(("GET /leaf/" + number + " HTTP/1.1\r\nHost: leaf\r\n\r\n").getBytes());
            head(socket.getInputStream());
        }
    }
}
