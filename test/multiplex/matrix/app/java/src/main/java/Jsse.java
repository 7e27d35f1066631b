import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.ByteArrayInputStream;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.concurrent.Executors;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/** The JDK's own server with the JDK's own TLS. */
final class Jsse {
  static byte[] decode(String file) throws Exception {
    return Base64.getMimeDecoder().decode(Files.readString(Path.of(file)).replaceAll("-----[A-Z ]+-----", ""));
  }

  static void serve(String host, int port) throws Exception {
    Certificate cert = CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(decode(Peer.CERT)));
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    store.setKeyEntry("one", KeyFactory.getInstance("EC").generatePrivate(new PKCS8EncodedKeySpec(decode(Peer.KEY))), new char[0],
        new Certificate[] {cert});
    KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(store, new char[0]);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), null, null);
    HttpsServer server = HttpsServer.create(new InetSocketAddress(host, port), 512);
    server.setHttpsConfigurator(new HttpsConfigurator(context));
    server.setExecutor(Executors.newFixedThreadPool(160));
    server.createContext("/", exchange -> {
      Peer.Answer a = Peer.Answer.of(exchange.getRequestURI().getPath());
      exchange.sendResponseHeaders(a.code() == 0 ? 200 : a.code(), a.size() == 0 ? -1 : a.size());
      exchange.getResponseBody().write(new byte[a.size()]);
      exchange.close();
    });
    server.start();
  }
}
