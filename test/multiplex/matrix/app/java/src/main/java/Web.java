import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.DefaultFullHttpRequest;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpRequest;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpUtil;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.handler.ssl.util.InsecureTrustManagerFactory;
import java.io.File;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** Netty's HTTP/1, over netty-tcnative where it is TLS. */
final class Web {
  static EventLoopGroup group() {
    return new MultiThreadIoEventLoopGroup(2, NioIoHandler.newFactory());
  }

  static void serve(String host, int port) throws Exception {
    SslContext tls = Peer.CERT == null ? null
        : SslContextBuilder.forServer(new File(Peer.CERT), new File(Peer.KEY)).sslProvider(SslProvider.OPENSSL).build();
    new ServerBootstrap().group(group()).channel(NioServerSocketChannel.class).option(ChannelOption.SO_BACKLOG, 512)
        .childHandler(new ChannelInitializer<Channel>() {
          @Override
          protected void initChannel(Channel c) {
            if (tls != null) {
              c.pipeline().addLast(tls.newHandler(c.alloc()));
            }
            c.pipeline().addLast(new HttpServerCodec(), new HttpObjectAggregator(1 << 20), new Answerer());
          }
        }).bind(host, port).sync().channel().closeFuture().sync();
  }

  static final class Answerer extends SimpleChannelInboundHandler<FullHttpRequest> {
    @Override
    protected void channelRead0(ChannelHandlerContext context, FullHttpRequest request) {
      Peer.Answer a = Peer.Answer.of(request.uri());
      HttpResponseStatus status = HttpResponseStatus.valueOf(a.code() == 0 ? 200 : a.code());
      FullHttpResponse reply = new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, status, Unpooled.wrappedBuffer(new byte[a.size()]));
      if (a.code() != 204) {
        reply.headers().setInt(HttpHeaderNames.CONTENT_LENGTH, a.size());
      }
      context.writeAndFlush(reply);
    }
  }

  static void ask(String host, int port, int requests, int streams) throws Exception {
    SslContext tls = Peer.CERT == null ? null
        : SslContextBuilder.forClient().sslProvider(SslProvider.OPENSSL).trustManager(InsecureTrustManagerFactory.INSTANCE)
            .endpointIdentificationAlgorithm(null).build();
    EventLoopGroup group = group();
    Peer.ask(requests, streams, () -> {
      BlockingQueue<Boolean> replies = new LinkedBlockingQueue<>();
      Bootstrap bootstrap = new Bootstrap().group(group).channel(NioSocketChannel.class).handler(new ChannelInitializer<Channel>() {
        @Override
        protected void initChannel(Channel c) {
          if (tls != null) {
            c.pipeline().addLast(tls.newHandler(c.alloc(), host, port));
          }
          c.pipeline().addLast(new HttpClientCodec(), new HttpObjectAggregator(1 << 20), new SimpleChannelInboundHandler<FullHttpResponse>() {
            @Override
            protected void channelRead0(ChannelHandlerContext context, FullHttpResponse reply) {
              replies.add(HttpUtil.isKeepAlive(reply));
            }
          });
        }
      });
      Channel[] channel = {bootstrap.connect(host, port).sync().channel()};
      Peer.settle();
      return i -> {
        FullHttpRequest request =
            new DefaultFullHttpRequest(HttpVersion.HTTP_1_1, HttpMethod.GET, "/" + Peer.LOAD + "/" + i + "/" + Peer.asked(i));
        request.headers().set("host", host).set("traceparent", Peer.parent(i));
        channel[0].writeAndFlush(request).sync();
        if (!replies.take()) { // as Apache's of 503
          channel[0].close().sync();
          channel[0] = bootstrap.connect(host, port).sync().channel();
        }
      };
    });
  }
}
