import java.time.Duration;
import java.util.List;
import org.springframework.http.server.reactive.ReactorHttpHandlerAdapter;
import org.springframework.web.reactive.function.client.WebClient;
import org.springframework.web.reactive.function.server.RequestPredicates;
import org.springframework.web.reactive.function.server.RouterFunctions;
import org.springframework.web.reactive.function.server.ServerRequest;
import org.springframework.web.reactive.function.server.ServerResponse;
import org.springframework.http.client.reactive.ReactorClientHttpConnector;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.netty.http.client.HttpClient;
import reactor.netty.http.server.HttpServer;
import reactor.netty.resources.ConnectionProvider;

/** Spring WebFlux on reactor-netty, with its WebClient. */
final class WebFlux {
    private final WebClient client;

    private WebFlux() {
        var pool = ConnectionProvider.builder("calls").maxConnections(512).pendingAcquireMaxCount(-1).build();
        client = WebClient.builder().clientConnector(new ReactorClientHttpConnector(HttpClient.create(pool))).build();
    }

    static void serve(int port) {
        var service = new WebFlux();
        var routes = RouterFunctions.route(RequestPredicates.POST("/**"), service::answer);
        var adapter = new ReactorHttpHandlerAdapter(RouterFunctions.toHttpHandler(routes));
        HttpServer.create().host("127.0.0.1").port(port).handle(adapter).bindNow().onDispose().block();
    }

    private Mono<ServerResponse> answer(ServerRequest request) {
        return request.bodyToMono(byte[].class).defaultIfEmpty(new byte[0]).map(Program::steps).flatMap(this::run)
                .then(ServerResponse.ok().bodyValue(Program.OK));
    }

    private Mono<Void> run(List<Program.Step> steps) {
        return Flux.fromIterable(steps).concatMap(step -> step.pause() > 0
                ? Mono.delay(Duration.ofMillis(step.pause())).then()
                : Flux.fromIterable(step.calls()).flatMap(this::post).then()).then();
    }

    private Mono<Void> post(Program.Call call) {
        return client.post().uri(call.uri()).bodyValue(call.body()).retrieve().toBodilessEntity().then();
    }
}
