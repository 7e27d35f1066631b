import com.sun.net.httpserver.HttpServer;
import io.undertow.Undertow;
import io.undertow.server.handlers.BlockingHandler;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.util.concurrent.Executor;
import org.apache.catalina.startup.Tomcat;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Handler;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.util.Callback;
import org.eclipse.jetty.util.thread.QueuedThreadPool;

/** Servers that have a thread of a pool for each request. */
final class Servers {
    private static final int THREADS = 64;

    private Servers() {}

    static void jdk(int port, Executor threads, Blocking work) throws IOException {
        System.setProperty("sun.net.httpserver.nodelay", "true");
        var server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 512);
        server.setExecutor(threads);
        server.createContext("/", exchange -> {
            int status = work.run(exchange.getRequestBody().readAllBytes());
            exchange.sendResponseHeaders(status, Program.OK.length);
            try (var out = exchange.getResponseBody()) {
                out.write(Program.OK);
            }
        });
        server.start();
    }

    /** With its own threads, or with those of an executor. */
    static void tomcat(int port, Executor threads, Blocking work) throws Exception {
        var tomcat = new Tomcat();
        tomcat.setBaseDir(System.getProperty("user.dir"));
        tomcat.setPort(port);
        var connector = tomcat.getConnector();
        connector.setProperty("address", "127.0.0.1");
        connector.setProperty("maxThreads", String.valueOf(THREADS));
        connector.setProperty("acceptCount", "512");
        connector.setProperty("maxKeepAliveRequests", "-1");
        if (threads != null) {
            connector.getProtocolHandler().setExecutor(threads);
        }
        var context = tomcat.addContext("", null);
        Tomcat.addServlet(context, "service", new HttpServlet() {
            @Override
            protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
                response.setStatus(work.run(request.getInputStream().readAllBytes()));
                response.setContentLength(Program.OK.length);
                response.getOutputStream().write(Program.OK);
            }
        });
        context.addServletMappingDecoded("/", "service");
        tomcat.start();
    }

    static void jetty(int port, Blocking work) throws Exception {
        var server = new Server(new QueuedThreadPool(THREADS));
        var connector = new ServerConnector(server);
        connector.setHost("127.0.0.1");
        connector.setPort(port);
        connector.setAcceptQueueSize(512);
        server.addConnector(connector);
        server.setHandler(new Handler.Abstract() {
            @Override
            public boolean handle(Request request, Response response, Callback callback) throws Exception {
                var body = Content.Source.asByteBuffer(request);
                var program = new byte[body.remaining()];
                body.get(program);
                response.setStatus(work.run(program));
                response.write(true, ByteBuffer.wrap(Program.OK), callback);
                return true;
            }
        });
        server.start();
    }

    static void undertow(int port, Blocking work) {
        Undertow.builder().addHttpListener(port, "127.0.0.1").setIoThreads(2).setWorkerThreads(THREADS)
                .setHandler(new BlockingHandler(exchange -> {
                    exchange.setStatusCode(work.run(exchange.getInputStream().readAllBytes()));
                    exchange.getOutputStream().write(Program.OK);
                    exchange.getOutputStream().close();
                })).build().start();
    }
}
