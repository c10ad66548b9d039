// A small HTTP server for probes and metrics: /livez, /readyz, /metrics. GET only, one request a
// connection, a deadline on each; a thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

namespace globalmart {

struct HttpAnswer {
  unsigned status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
};

// Throws ConfigError unless `listen` is "ADDRESS:PORT" or "off". Binds nothing.
void check_http_listen(const std::string& listen);

class HttpServer {
 public:
  // `listen`: "ADDRESS:PORT", port 0 for any. `handle` gets the path and runs in the server's
  // thread. Throws ConfigError when the address cannot be bound.
  HttpServer(const std::string& listen, std::function<HttpAnswer(const std::string& path)> handle);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  unsigned short port() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
  std::thread thread_;
};

}  // namespace globalmart
