package fleet;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.http.*;
import io.netty.handler.stream.ChunkedWriteHandler;
import java.io.IOException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/** The Netty member of the fleet: `NettyServer PORT`. Requests are answered on the event loops, calls on a pool. */
public final class NettyServer extends SimpleChannelInboundHandler<HttpObject> {
    private static final ExecutorService CALLS = Executors.newFixedThreadPool(16);
    private HttpRequest request;
    private long received;

    public static void main(String[] args) throws InterruptedException {
        ServerBootstrap bootstrap = new ServerBootstrap()
            .group(new NioEventLoopGroup(1), new NioEventLoopGroup(4))
            .channel(NioServerSocketChannel.class)
            .option(ChannelOption.SO_BACKLOG, 512)
            .childHandler(new ChannelInitializer<SocketChannel>() {
                @Override
                protected void initChannel(SocketChannel channel) {
                    channel.pipeline().addLast(
                        new HttpServerCodec(65536, 65536, 65536),
                        new HttpServerKeepAliveHandler(), new HttpServerExpectContinueHandler(),
                        new ChunkedWriteHandler(), new NettyServer());
                }
            });
        bootstrap.bind("127.0.0.1", Integer.parseInt(args[0])).sync().channel().closeFuture().sync();
    }

    @Override
    protected void channelRead0(ChannelHandlerContext context, HttpObject part) throws IOException {
        if (part instanceof HttpRequest head) {
            request = head;
            received = 0;
        }
        if (part instanceof HttpContent content) {
            received += content.content().readableBytes();
        }
        if (part instanceof LastHttpContent) {
            serve(context, request);
        }
    }

    private void serve(ChannelHandlerContext context, HttpRequest request) throws IOException {
        String[] part = request.uri().split("\\?")[0].split("/");
        switch (part[1]) {
            case "hello" -> reply(context, request, 200, Routes.HELLO);
            case "bytes", "chunked" -> NettyBody.stream(context, part[1].equals("chunked"), Long.parseLong(part[2]));
            case "status" -> reply(context, request, Integer.parseInt(part[2]), new byte[0]);
            case "sleep" -> context.executor().schedule(
                () -> reply(context, request, 200, Routes.HELLO), Long.parseLong(part[2]), TimeUnit.MILLISECONDS);
            case "echo-size" -> reply(context, request, 200, Long.toString(received).getBytes());
            case "call" -> CALLS.submit(() -> {
                int mark = request.uri().indexOf('?');
                var answer = Routes.call(request.uri().substring(mark + 1), request.headers().get("traceparent"));
                reply(context, request, answer.status(), answer.body());
                return null;
            });
            default -> reply(context, request, 404, new byte[0]);
        }
    }

    private static void reply(ChannelHandlerContext context, HttpRequest request, int status, byte[] body) {
        boolean head = request.method().equals(HttpMethod.HEAD);
        var response = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.valueOf(status),
            Unpooled.wrappedBuffer(head ? new byte[0] : body));
        if (status >= 200 && status != 204 && status != 304) {
            response.headers().set(HttpHeaderNames.CONTENT_LENGTH, body.length);
        }
        context.writeAndFlush(response).addListener(ChannelFutureListener.CLOSE_ON_FAILURE);
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        context.close();
    }
}
