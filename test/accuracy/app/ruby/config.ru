# A Puma service with Net::HTTP: `puma config.ru`. One kept connection for each thread and peer. With WORK=fan each of the calls of a
# step has a thread of its own; the connections are shared.
require 'net/http'

FAN = ENV['WORK'] == 'fan'
IDLE = Hash.new { |all, port| all[port] = Queue.new }

def open_to(port)
  Net::HTTP.new('127.0.0.1', port).tap { |h| h.keep_alive_timeout = 60; h.start }
end

def shared(port)
  http = begin
    IDLE[port].pop(true)
  rescue ThreadError
    open_to(port)
  end
  yield http
  IDLE[port] << http
end

def own(port)
  pool = (Thread.current[:pool] ||= {})
  yield(pool[port] ||= open_to(port))
end

def post(port, path, body)
  request = Net::HTTP::Post.new(path)
  request.body = body
  request['Content-Type'] = 'text/plain'
  send(FAN ? :shared : :own, port) do |http|
    reply = http.request(request)
    raise "#{path}: status #{reply.code}" unless reply.code == '200'
  end
end

# Makes the calls of a step.
def make(calls)
  return calls.each { |call| post(*call) } unless FAN

  calls.map { |call| Thread.new { post(*call) } }.each(&:join)
end

def run_program(program)
  at = 0
  calls = []
  while at < program.bytesize
    stop = program.index("\n", at)
    word = program.byteslice(at, stop - at).split
    at = stop + 1
    unless word[0] == 'p'
      make(calls)
      calls = []
    end
    if word[0] == 'w'
      sleep(word[1].to_i / 1000.0)
      next
    end
    size = word[3].to_i
    calls << [word[1].to_i, word[2], program.byteslice(at, size)]
    at += size
  end
  make(calls)
end

run(lambda do |env|
  run_program(env['rack.input'].read.b)
  [200, { 'content-type' => 'text/plain', 'content-length' => '3' }, ["ok\n"]]
end)
