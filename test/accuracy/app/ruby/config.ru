# A Puma service with Net::HTTP: `puma config.ru`. One kept connection for each thread and peer.
require 'net/http'

def post(port, path, body)
  pool = (Thread.current[:pool] ||= {})
  http = (pool[port] ||= Net::HTTP.new('127.0.0.1', port).tap { |h| h.keep_alive_timeout = 60; h.start })
  request = Net::HTTP::Post.new(path)
  request.body = body
  request['Content-Type'] = 'text/plain'
  reply = http.request(request)
  raise "#{path}: status #{reply.code}" unless reply.code == '200'
end

def run_program(program)
  at = 0
  while at < program.bytesize
    stop = program.index("\n", at)
    word = program.byteslice(at, stop - at).split
    at = stop + 1
    if word[0] == 'w'
      sleep(word[1].to_i / 1000.0)
      next
    end
    size = word[3].to_i
    post(word[1].to_i, word[2], program.byteslice(at, size))
    at += size
  end
end

run(lambda do |env|
  run_program(env['rack.input'].read.b)
  [200, { 'content-type' => 'text/plain', 'content-length' => '3' }, ["ok\n"]]
end)
