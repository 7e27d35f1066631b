import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.EventLoop;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.pool.AbstractChannelPoolMap;
import io.netty.channel.pool.ChannelPool;
import io.netty.channel.pool.AbstractChannelPoolHandler;
import io.netty.channel.pool.SimpleChannelPool;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.util.AttributeKey;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/** A client in one event loop, with a pool of connections for each peer. */
final class NettyClient implements Async.Loop {
    private static final Map<EventLoop, NettyClient> CLIENTS = new ConcurrentHashMap<>();
    private static final AttributeKey<CompletableFuture<Integer>> PENDING = AttributeKey.valueOf("pending");

    private final EventLoop loop;
    private final AbstractChannelPoolMap<Integer, ChannelPool> pools;

    private NettyClient(EventLoop loop) {
        this.loop = loop;
        pools = new AbstractChannelPoolMap<>() {
            @Override
            protected ChannelPool newPool(Integer port) {
                var bootstrap = new Bootstrap().group(loop).channel(NioSocketChannel.class).remoteAddress("127.0.0.1", port);
                return new SimpleChannelPool(bootstrap, new Setup());
            }
        };
    }

    static NettyClient of(EventLoop loop) {
        return CLIENTS.computeIfAbsent(loop, NettyClient::new);
    }

    @Override
    public CompletableFuture<Void> sleep(int milliseconds) {
        var done = new CompletableFuture<Void>();
        loop.schedule(() -> done.complete(null), milliseconds, TimeUnit.MILLISECONDS);
        return done;
    }

    @Override
    public CompletableFuture<Void> post(Program.Call call) {
        var status = new CompletableFuture<Integer>();
        var pool = pools.get(call.port());
        pool.acquire().addListener(found -> {
            if (!found.isSuccess()) {
                status.completeExceptionally(found.cause());
                return;
            }
            var channel = (Channel) found.getNow();
            channel.attr(PENDING).set(new CompletableFuture<>());
            channel.attr(PENDING).get().whenComplete((code, failure) -> {
                pool.release(channel);
                status.complete(failure == null ? code : 502);
            });
            channel.writeAndFlush(request(call));
        });
        return status.thenCompose(Async.expected(x -> x));
    }

    private static DefaultFullHttpRequest request(Program.Call call) {
        var request = new DefaultFullHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.POST, call.path(), Unpooled.wrappedBuffer(call.body()));
        request.headers().set(HttpHeaderNames.HOST, "127.0.0.1:" + call.port()).set(HttpHeaderNames.CONTENT_LENGTH, call.body().length);
        return request;
    }

    private static final class Setup extends AbstractChannelPoolHandler {
        @Override
        public void channelCreated(Channel channel) {
            channel.pipeline().addLast(new HttpClientCodec(), new HttpObjectAggregator(1 << 20), new Reply());
        }
    }

    private static final class Reply extends SimpleChannelInboundHandler<FullHttpResponse> {
        @Override
        protected void channelRead0(ChannelHandlerContext context, FullHttpResponse reply) {
            context.channel().attr(PENDING).get().complete(reply.status().code());
        }

        @Override
        public void channelInactive(ChannelHandlerContext context) {
            var pending = context.channel().attr(PENDING).get();
            if (pending != null) {
                pending.completeExceptionally(new java.io.IOException("connection closed"));
            }
        }
    }
}
