#include "bridge/http_server.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "bridge/error.hpp"

namespace globalmart {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

constexpr auto kDeadline = std::chrono::seconds(10);
constexpr std::size_t kMaxRequestBytes = 8192;

using Handler = std::function<HttpAnswer(const std::string&)>;

// One request and its answer; keeps itself alive by the operations under way.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, const Handler& handle) : stream_(std::move(socket)), handle_(handle) {
    parser_.header_limit(kMaxRequestBytes);
    parser_.body_limit(kMaxRequestBytes);
  }

  void start() {
    stream_.expires_after(kDeadline);
    http::async_read(stream_, buffer_, parser_,
                     [self = shared_from_this()](beast::error_code error, std::size_t) {
                       if (!error) self->answer();
                     });
  }

 private:
  void answer() {
    const auto& request = parser_.get();
    HttpAnswer answer;
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
      answer = {405, "text/plain", "only GET\n"};
    } else {
      std::string path(request.target());
      answer = handle_(path.substr(0, path.find('?')));
    }
    response_.result(answer.status);
    response_.version(request.version());
    response_.set(http::field::content_type, answer.type);
    response_.keep_alive(false);
    if (request.method() != http::verb::head) response_.body() = std::move(answer.body);
    response_.prepare_payload();
    stream_.expires_after(kDeadline);
    http::async_write(stream_, response_,
                      [self = shared_from_this()](beast::error_code, std::size_t) {
                        beast::error_code ignored;
                        self->stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
                      });
  }

  beast::tcp_stream stream_;
  const Handler& handle_;
  beast::flat_buffer buffer_;
  http::request_parser<http::string_body> parser_;
  http::response<http::string_body> response_;
};

tcp::endpoint parse_endpoint(const std::string& listen) {
  const std::size_t colon = listen.rfind(':');
  if (colon == std::string::npos) {
    throw ConfigError("http.listen: '" + listen + "' must be ADDRESS:PORT or off");
  }
  std::string address = listen.substr(0, colon);
  if (address.starts_with('[') && address.ends_with(']')) {
    address = address.substr(1, address.size() - 2);
  }
  if (address == "localhost") address = "127.0.0.1";
  boost::system::error_code error;
  const auto parsed = asio::ip::make_address(address, error);
  const std::string digits = listen.substr(colon + 1);
  const bool number = !digits.empty() && digits.size() <= 5 &&
                      digits.find_first_not_of("0123456789") == std::string::npos;
  const int port = number ? std::stoi(digits) : -1;
  if (error || port < 0 || port > 65535) {
    throw ConfigError("http.listen: '" + listen + "' must be ADDRESS:PORT or off");
  }
  return {parsed, static_cast<unsigned short>(port)};
}

}  // namespace

void check_http_listen(const std::string& listen) {
  if (listen != "off") parse_endpoint(listen);
}

struct HttpServer::State {
  explicit State(Handler handler) : handle(std::move(handler)), acceptor(context) {}

  void accept() {
    acceptor.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (!error) std::make_shared<Session>(std::move(socket), handle)->start();
      accept();
    });
  }

  Handler handle;
  asio::io_context context{1};
  tcp::acceptor acceptor;
};

HttpServer::HttpServer(const std::string& listen, Handler handle)
    : state_(std::make_unique<State>(std::move(handle))) {
  const tcp::endpoint endpoint = parse_endpoint(listen);
  try {
    state_->acceptor.open(endpoint.protocol());
    state_->acceptor.set_option(asio::socket_base::reuse_address(true));
    state_->acceptor.bind(endpoint);
    state_->acceptor.listen();
  } catch (const boost::system::system_error& error) {
    throw ConfigError("http.listen: cannot listen on " + listen + ": " + error.code().message() +
                      "; choose another port (0 for any) or \"off\"");
  }
  state_->accept();
  thread_ = std::thread([this] { state_->context.run(); });
}

HttpServer::~HttpServer() {
  state_->context.stop();
  thread_.join();
}

unsigned short HttpServer::port() const { return state_->acceptor.local_endpoint().port(); }

}  // namespace globalmart
