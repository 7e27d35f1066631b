import io.vertx.core.AbstractVerticle;
import io.vertx.core.DeploymentOptions;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.PoolOptions;
import java.util.concurrent.CompletableFuture;

/** Vert.x: two instances of a verticle, each in an event loop of its own with a client of its own. */
public final class VertxServer extends AbstractVerticle implements Async.Loop {
    private HttpClient client;

    static void serve(int port) {
        Vertx.vertx().deployVerticle(VertxServer.class, new DeploymentOptions().setInstances(2)).toCompletionStage().toCompletableFuture().join();
    }

    @Override
    public void start() {
        client = vertx.createHttpClient(new PoolOptions().setHttp1MaxSize(512));
        var options = new HttpServerOptions().setHost("127.0.0.1").setPort(Integer.parseInt(System.getenv("PORT"))).setAcceptBacklog(512);
        vertx.createHttpServer(options).requestHandler(request -> request.body().onSuccess(body ->
                Async.run(Program.steps(body.getBytes()), this).whenComplete((x, failure) ->
                        request.response().setStatusCode(failure == null ? 200 : 502).end(Buffer.buffer(Program.OK))))).listen();
    }

    @Override
    public CompletableFuture<Void> sleep(int milliseconds) {
        var done = new CompletableFuture<Void>();
        vertx.setTimer(milliseconds, x -> done.complete(null));
        return done;
    }

    @Override
    public CompletableFuture<Void> post(Program.Call call) {
        return client.request(HttpMethod.POST, call.port(), "127.0.0.1", call.path())
                .compose(request -> request.send(Buffer.buffer(call.body())))
                .compose(reply -> reply.body().map(reply))
                .toCompletionStage().toCompletableFuture().thenCompose(Async.expected(HttpClientResponse::statusCode));
    }
}
