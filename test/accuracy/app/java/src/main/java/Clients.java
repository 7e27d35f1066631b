import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.concurrent.TimeUnit;
import okhttp3.ConnectionPool;
import okhttp3.OkHttpClient;
import okhttp3.Request;
import okhttp3.RequestBody;
import org.apache.hc.client5.http.classic.methods.HttpPost;
import org.apache.hc.client5.http.impl.classic.HttpClients;
import org.apache.hc.client5.http.impl.io.PoolingHttpClientConnectionManagerBuilder;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.io.entity.ByteArrayEntity;
import org.apache.hc.core5.http.io.entity.EntityUtils;

/** Clients that wait for their replies. */
final class Clients {
    private Clients() {}

    static void url(Program.Call call) throws IOException {
        var connection = (HttpURLConnection) call.uri().toURL().openConnection();
        connection.setRequestMethod("POST");
        connection.setDoOutput(true);
        connection.setFixedLengthStreamingMode(call.body().length);
        try (var out = connection.getOutputStream()) {
            out.write(call.body());
        }
        try (var in = connection.getInputStream()) {
            in.readAllBytes();
        }
    }

    static HttpRequest request(Program.Call call) {
        return HttpRequest.newBuilder(call.uri()).POST(HttpRequest.BodyPublishers.ofByteArray(call.body())).build();
    }

    static HttpClient httpClient() {
        return HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    }

    static Blocking.Client http() {
        var client = httpClient();
        return call -> expect(client.send(request(call), HttpResponse.BodyHandlers.discarding()).statusCode());
    }

    static Blocking.Client apache() {
        var pool = PoolingHttpClientConnectionManagerBuilder.create().setMaxConnPerRoute(512).setMaxConnTotal(1024).build();
        var client = HttpClients.custom().setConnectionManager(pool).build();
        return call -> {
            var request = new HttpPost(call.uri());
            request.setEntity(new ByteArrayEntity(call.body(), ContentType.TEXT_PLAIN));
            expect(client.execute(request, reply -> {
                EntityUtils.consume(reply.getEntity());
                return reply.getCode();
            }));
        };
    }

    static Blocking.Client okhttp() {
        var client = new OkHttpClient.Builder().connectionPool(new ConnectionPool(512, 5, TimeUnit.MINUTES)).build();
        return call -> {
            var request = new Request.Builder().url(call.url()).post(RequestBody.create(call.body())).build();
            try (var reply = client.newCall(request).execute()) {
                reply.body().bytes();
                expect(reply.code());
            }
        };
    }

    static void expect(int status) throws IOException {
        if (status != 200) {
            throw new IOException("status " + status);
        }
    }
}
