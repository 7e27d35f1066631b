# The Puma member of the fleet: `puma config.ru`. Threads of one process.
require 'net/http'
require 'uri'

BLOCK = ('x' * 65_536).freeze

def blocks(size)
  Enumerator.new do |out|
    while size.positive?
      out << BLOCK[0, [size, BLOCK.size].min]
      size -= BLOCK.size
    end
  end
end

def measure(input)
  size = 0
  while (part = input.read(1 << 20))
    size += part.bytesize
  end
  size.to_s
end

def call(env)
  query = URI.decode_www_form(env['QUERY_STRING']).to_h
  url = URI(query['url'])
  request = Net::HTTP::Get.new(url)
  parent = env['HTTP_TRACEPARENT']
  request['traceparent'] = parent if parent && query['trace'] == 'pass'
  if parent && query['trace'] == 'new'
    request['traceparent'] = format('%s%016x%s', parent[0, 36], Process.clock_gettime(Process::CLOCK_REALTIME, :nanosecond), parent[52..])
  end
  reply = Net::HTTP.start(url.host, url.port) { |http| http.request(request) }
  text(reply.code.to_i, reply.body.to_s)
end

def text(code, body)
  [code, { 'content-type' => 'text/plain', 'content-length' => body.bytesize.to_s }, [body]]
end

run(lambda do |env|
  _, route, argument = env['PATH_INFO'].split('/')
  case route
  when 'hello' then text(200, "hello\n")
  when 'bytes' then [200, { 'content-length' => argument }, blocks(argument.to_i)]
  when 'chunked' then [200, {}, blocks(argument.to_i)]
  when 'status' then [argument.to_i, {}, []]
  when 'sleep'
    sleep(argument.to_i / 1000.0)
    text(200, "hello\n")
  when 'echo-size' then text(200, measure(env['rack.input']))
  when 'call' then call(env)
  else text(404, '')
  end
end)
