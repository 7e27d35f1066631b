import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerMethodDefinition;
import io.grpc.Status;
import io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.netty.handler.ssl.SslProvider;
import io.netty.handler.ssl.util.InsecureTrustManagerFactory;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** grpc-java, with streams of bytes in both directions. */
final class Call {
  static final MethodDescriptor.Marshaller<byte[]> RAW = new MethodDescriptor.Marshaller<>() {
    @Override
    public InputStream stream(byte[] b) {
      return new ByteArrayInputStream(b);
    }

    @Override
    public byte[] parse(InputStream in) {
      try {
        return in.readAllBytes();
      } catch (IOException e) {
        throw new IllegalStateException(e);
      }
    }
  };

  static MethodDescriptor<byte[], byte[]> method(String name) {
    return MethodDescriptor.<byte[], byte[]>newBuilder().setType(MethodType.BIDI_STREAMING).setFullMethodName(name)
        .setRequestMarshaller(RAW).setResponseMarshaller(RAW).build();
  }

  static void serve(String host, int port) throws Exception {
    ServerCallHandler<byte[], byte[]> handler = (call, headers) -> {
      call.request(Integer.MAX_VALUE);
      return new ServerCall.Listener<>() {
        @Override
        public void onHalfClose() {
          Peer.Answer a = Peer.Answer.of(call.getMethodDescriptor().getFullMethodName());
          if (a.code() != 0) {
            call.close(Status.fromCodeValue(a.code()).withDescription("as asked"), new Metadata());
            return;
          }
          call.sendHeaders(new Metadata());
          for (int m = 0; m < a.messages(); m++) {
            call.sendMessage(new byte[a.size()]);
          }
          call.close(Status.OK, new Metadata());
        }
      };
    };
    NettyServerBuilder b = NettyServerBuilder.forAddress(new InetSocketAddress(host, port));
    if (Peer.CERT != null) {
      b.sslContext(GrpcSslContexts.configure(io.netty.handler.ssl.SslContextBuilder.forServer(new File(Peer.CERT), new File(Peer.KEY)),
          SslProvider.OPENSSL).build());
    }
    b.fallbackHandlerRegistry(new io.grpc.HandlerRegistry() {
      @Override
      public ServerMethodDefinition<?, ?> lookupMethod(String name, String authority) {
        return ServerMethodDefinition.create(method(name), handler);
      }
    }).build().start().awaitTermination();
  }

  static void ask(String host, int port, int requests, int streams) throws Exception {
    NettyChannelBuilder b = NettyChannelBuilder.forAddress(host, port);
    if (Peer.CERT == null) {
      b.usePlaintext();
    } else {
      b.sslContext(GrpcSslContexts.configure(io.netty.handler.ssl.SslContextBuilder.forClient().trustManager(InsecureTrustManagerFactory.INSTANCE)
          .endpointIdentificationAlgorithm(null), SslProvider.OPENSSL).build());
    }
    ManagedChannel channel = b.build();
    channel.getState(true);
    Peer.settle();
    Peer.ask(requests, streams, () -> i -> one(channel, i));
  }

  static void one(ManagedChannel channel, int i) throws Exception {
    Peer.Answer a = Peer.Answer.of(Peer.asked(i));
    io.grpc.ClientCall<byte[], byte[]> call =
        channel.newCall(method("shop.Echo/" + Peer.asked(i)), CallOptions.DEFAULT.withDeadlineAfter(60, TimeUnit.SECONDS));
    CompletableFuture<Status> ended = new CompletableFuture<>();
    Metadata headers = new Metadata();
    headers.put(Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER), Peer.parent(i));
    call.start(new io.grpc.ClientCall.Listener<>() {
      @Override
      public void onClose(Status status, Metadata trailers) {
        ended.complete(status);
      }
    }, headers);
    call.request(Integer.MAX_VALUE);
    for (int m = 0; m < a.messages(); m++) {
      call.sendMessage(new byte[a.size()]);
    }
    call.halfClose();
    Status status = ended.get();
    if (!status.isOk() && !"as asked".equals(status.getDescription())) {
      throw status.asException();
    }
  }
}
