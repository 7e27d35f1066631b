package fleet;

import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import org.apache.catalina.connector.Connector;
import org.apache.catalina.startup.Tomcat;

/** The Tomcat member of the fleet: `TomcatServer PORT DIR`. */
public final class TomcatServer extends HttpServlet {
    public static void main(String[] args) throws Exception {
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(args[1]);
        Connector connector = new Connector();
        connector.setPort(Integer.parseInt(args[0]));
        connector.setProperty("address", "127.0.0.1");
        connector.setProperty("acceptCount", "512");
        connector.setProperty("maxSwallowSize", "-1");
        connector.setProperty("maxHttpRequestHeaderSize", "65536");
        tomcat.setConnector(connector);
        var context = tomcat.addContext("", args[1]);
        Tomcat.addServlet(context, "fleet", new TomcatServer());
        context.addServletMappingDecoded("/*", "fleet");
        tomcat.start();
        tomcat.getServer().await();
    }

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws ServletException, IOException {
        String[] part = request.getRequestURI().split("/");
        switch (part[1]) {
            case "hello" -> reply(response, 200, Routes.HELLO);
            case "bytes" -> {
                response.setContentLengthLong(Long.parseLong(part[2]));
                Routes.fill(response.getOutputStream(), Long.parseLong(part[2]));
            }
            case "chunked" -> {
                response.flushBuffer();
                Routes.fill(response.getOutputStream(), Long.parseLong(part[2]));
            }
            case "status" -> response.setStatus(Integer.parseInt(part[2]));
            case "sleep" -> {
                pause(Long.parseLong(part[2]));
                reply(response, 200, Routes.HELLO);
            }
            case "echo-size" -> reply(response, 200, Routes.measure(request.getInputStream()));
            case "call" -> {
                var answer = Routes.call(request.getQueryString(), request.getHeader("traceparent"));
                reply(response, answer.status(), answer.body());
            }
            default -> response.setStatus(404);
        }
    }

    private static void pause(long milliseconds) throws IOException {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    private static void reply(HttpServletResponse response, int status, byte[] body) throws IOException {
        response.setStatus(status);
        response.setContentLength(body.length);
        response.getOutputStream().write(body);
    }
}
