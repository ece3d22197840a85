#include "platform/http/client.h"

#include <atomic>
#include <limits>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <fmt/format.h>

#include "platform/dns/lookup.h"
#include "platform/http/connect.h"
#include "platform/http/response_parser.h"
#include "platform/http/url.h"

namespace boxoffice::http {
namespace {

namespace beast = boost::beast;
namespace ssl = boost::asio::ssl;
using asio::ip::tcp;
using dns::Lookup;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr size_t kRead = 16 * 1024;  // bytes

// The request as text, without the body; nullopt if it would break out of its line.
std::optional<std::string> FormatHead(const ClientRequest& request, std::string_view target,
                                      std::string_view authority, bool keep_alive) {
  constexpr std::string_view kForbidden("\r\n\0", 3);
  std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, target, authority);
  if (request.method.find_first_of(" \r\n") != std::string::npos ||
      target.find_first_of(" \r\n") != std::string_view::npos) {
    return std::nullopt;
  }
  for (const auto& [name, value] : request.headers) {
    if (name.empty() || name.find_first_of(kForbidden) != std::string::npos ||
        value.find_first_of(kForbidden) != std::string::npos) {
      return std::nullopt;
    }
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD")) {
    fmt::format_to(std::back_inserter(head), "Content-Length: {}\r\n", request.body.size());
  }
  head.append(keep_alive ? "\r\n" : "Connection: close\r\n\r\n");
  return head;
}

std::unexpected<Error> Lost(beast::error_code error) {
  return Fail(Code::kUnknown, "connection_lost", error.message());
}

// What there is to read of an answer.
struct Expected {
  explicit Expected(const ClientRequest& request)
      : max_response(request.max_response),
        is_head(request.method == "HEAD"),
        head_is_enough(request.head_is_enough) {}
  void Begin(std::optional<ResponseParser>& parser, ClientResponse& response) const {
    // A length is judged with the header: no body is too long for whoever does not read it.
    const size_t max_body = head_is_enough ? std::numeric_limits<size_t>::max() : max_response;
    parser.emplace(response, max_body, is_head);
    parser->eager(!head_is_enough);
  }
  size_t max_response;
  bool is_head;
  bool head_is_enough;
};

// Sends `text` and reads the answer; *keep_alive tells whether another may follow. Sets *sent before the
// first byte.
template <typename Stream>
asio::awaitable<Result<ClientResponse>> Exchange(Stream& stream, beast::flat_buffer& buffer, std::string text,
                                                 Expected expected, std::atomic<bool>* sent,
                                                 bool* keep_alive) {
  *sent = true;
  const auto [write_error, written] = co_await asio::async_write(stream, asio::buffer(text), kAwait);
  // A server that refuses a body early answers and closes: its answer is worth reading.
  ClientResponse response;
  std::optional<ResponseParser> parser;
  expected.Begin(parser, response);
  bool starved = buffer.size() == 0;
  while (true) {
    beast::error_code error;
    if (starved) {
      const auto [read_error, size] = co_await stream.async_read_some(buffer.prepare(kRead), kAwait);
      buffer.commit(size);
      if (read_error) {
        if (read_error == asio::error::eof || read_error == ssl::error::stream_truncated) {
          if (parser->got_some()) parser->put_eof(error);
          // A close may end a body without a length, but TLS must say so itself.
          const bool whole = parser->is_done() && !error && read_error == asio::error::eof;
          if (whole) break;
        }
        co_return Lost(write_error ? write_error : read_error);
      }
    }
    const size_t used = parser->put(asio::const_buffer(buffer.data()), error);
    buffer.consume(used);
    if (error == beast::http::error::body_limit) {
      co_return Fail(Code::kUnknown, "response_too_large",
                     fmt::format("over {} bytes", expected.max_response));
    }
    if (error && error != beast::http::error::need_more) {
      co_return Fail(Code::kUnknown, "response_malformed", error.message());
    }
    // What is left waits for its end, and no limit of Beast's counts a chunk's extension or a trailer.
    if (error && parser->is_header_done() && buffer.size() > ResponseParser::kMaxHeader) {
      co_return Fail(Code::kUnknown, "response_malformed", "a chunk's header or the trailer is too long");
    }
    starved = buffer.size() == 0 || error == beast::http::error::need_more;
    if (expected.head_is_enough && parser->is_header_done() && response.status >= 200) break;
    if (!parser->is_done()) continue;
    if (response.status >= 200 || response.status == 101) break;
    response = ClientResponse();  // 1xx: the answer proper follows
    expected.Begin(parser, response);
    starved = buffer.size() == 0;
  }
  *keep_alive = parser->is_done() && parser->keep_alive();
  co_return response;
}

// One Fetch: the work and the time-out share it, so that the caller goes on at the time-out whatever the work
// still does.
struct Fetching {
  explicit Fetching(const asio::any_io_executor& executor)
      : looked_up(executor), socket(executor), timer(executor) {}
  Lookup::Bell looked_up;
  tcp::socket socket;
  asio::steady_timer timer;
  std::atomic<bool> sent{false};
  bool timed_out = false;
  std::optional<Result<ClientResponse>> result;
};

std::unexpected<Error> ConnectFailed(const Url& url, std::string_view why) {
  return Fail(Code::kUnavailable, "connect_failed", fmt::format("{}: {}", url.authority, why));
}

// Those of a host's addresses that may be connected to, in their order.
std::vector<tcp::endpoint> Allowed(const Lookup::Addresses& found, uint16_t port,
                                   const ClientRequest& request) {
  std::vector<tcp::endpoint> allowed;
  for (const asio::ip::address& address : found) {
    const auto allows = [&](const auto& bytes) {
      return !request.allow_address || request.allow_address(bytes);
    };
    if (address.is_v4() ? allows(address.to_v4().to_bytes()) : allows(address.to_v6().to_bytes())) {
      allowed.emplace_back(address, port);
    }
  }
  return allowed;
}

asio::awaitable<Result<ClientResponse>> FetchSecure(std::shared_ptr<Fetching> state, Url url,
                                                    std::string text, Expected expected, TlsOptions tls) {
  const Result<std::shared_ptr<ssl::context>> context =
      tls.authorities->Get(tls.ca_file, steady_clock::now());
  if (!context) co_return ConnectFailed(url, context.error().detail);
  ssl::stream<tcp::socket&> stream(state->socket, **context);
  stream.set_verify_mode(ssl::verify_peer);
  // The dot of the root is for the look-up: SNI has none (RFC 6066, section 3), nor has a certificate's name.
  const std::string name = url.host.ends_with('.') ? url.host.substr(0, url.host.size() - 1) : url.host;
  stream.set_verify_callback(ssl::host_name_verification(name));
  if (SSL_set_tlsext_host_name(stream.native_handle(), name.c_str()) != 1)
    co_return ConnectFailed(url, "SNI");
  const auto [handshake_error] = co_await stream.async_handshake(ssl::stream_base::client, kAwait);
  if (handshake_error) {
    if (SSL_get_verify_result(stream.native_handle()) != X509_V_OK)
      tls.authorities->Doubt(steady_clock::now());
    co_return ConnectFailed(url, handshake_error.message());
  }
  beast::flat_buffer buffer;
  bool keep_alive = false;
  Result<ClientResponse> result =
      co_await Exchange(stream, buffer, std::move(text), expected, &state->sent, &keep_alive);
  co_return result;
}

asio::awaitable<Result<ClientResponse>> FetchOnce(std::shared_ptr<Fetching> state, ClientRequest request,
                                                  TlsOptions tls) {
  const std::optional<Url> url = ParseUrl(request.url);
  if (!url) co_return Fail(Code::kInvalidArgument, "url_malformed", request.url);
  std::optional<std::string> head = FormatHead(request, url->target, url->authority, /*keep_alive=*/false);
  if (!head) co_return Fail(Code::kInvalidArgument, "url_malformed", "a line break in the request");
  std::string text = *std::move(head);
  text += request.body;
  if (state->timed_out) co_return ConnectFailed(*url, "timed out");
  const Result<Lookup::Addresses> found = co_await Lookup::OfProcess().Resolve(url->host, state->looked_up);
  if (!found) co_return ConnectFailed(*url, found.error().detail);
  if (state->timed_out) co_return ConnectFailed(*url, "timed out");
  const std::vector<tcp::endpoint> allowed = Allowed(*found, url->port, request);
  if (allowed.empty()) {
    co_return Fail(Code::kUnavailable, "address_refused",
                   fmt::format("{} is at no address that is allowed", url->host));
  }
  const beast::error_code connect_error =
      co_await ConnectInTurn(state->socket, allowed, state->timer.expiry());
  if (connect_error) co_return ConnectFailed(*url, connect_error.message());
  if (state->timed_out) co_return ConnectFailed(*url, "timed out");
  beast::error_code ignored;
  state->socket.set_option(tcp::no_delay(true), ignored);
  const Expected expected(request);
  if (url->secure) {
    Result<ClientResponse> result =
        co_await FetchSecure(state, *url, std::move(text), expected, std::move(tls));
    co_return result;
  }
  beast::flat_buffer buffer;
  bool keep_alive = false;
  Result<ClientResponse> result =
      co_await Exchange(state->socket, buffer, std::move(text), expected, &state->sent, &keep_alive);
  co_return result;
}

// Runs on a strand.
asio::awaitable<Result<ClientResponse>> FetchInTime(ClientRequest request, TlsOptions tls) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  const auto state = std::make_shared<Fetching>(executor);
  const milliseconds timeout = request.timeout;
  const std::string url = request.url;
  state->timer.expires_after(timeout);
  const auto done = [state](std::exception_ptr thrown, Result<ClientResponse> result) {
    if (thrown) result = Fail(Code::kUnknown, "connection_lost", "an exception");
    state->result = std::move(result);
    state->timer.cancel();
  };
  asio::co_spawn(executor, FetchOnce(state, std::move(request), std::move(tls)), done);
  if (!state->result) (void)co_await state->timer.async_wait(kAwait);
  if (state->result) co_return *std::move(state->result);
  state->timed_out = true;
  beast::error_code ignored;
  state->looked_up.close(ignored);
  state->socket.close(ignored);
  const std::string detail = fmt::format("{}: no answer in {} ms", url, timeout.count());
  if (state->sent) co_return Fail(Code::kUnknown, "timeout", detail);
  co_return Fail(Code::kUnavailable, "connect_failed", detail);
}

}  // namespace

std::optional<std::string_view> ClientResponse::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (beast::iequals(key, name)) return value;
  }
  return std::nullopt;
}

bool IsUrl(std::string_view url) { return ParseUrl(url).has_value(); }

asio::awaitable<Result<ClientResponse>> Fetch(ClientRequest request, TlsOptions tls) {
  const asio::any_io_executor caller = co_await asio::this_coro::executor;
  const asio::any_io_executor strand = asio::make_strand(caller);
  auto uncancelled = asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable);
  Result<ClientResponse> result = co_await asio::co_spawn(
      strand, FetchInTime(std::move(request), std::move(tls)), std::move(uncancelled));
  co_return result;
}

Result<ClientResponse> FetchBlocking(ClientRequest request, const TlsOptions& tls) {
  std::vector<ClientRequest> requests;
  requests.push_back(std::move(request));
  return std::move(FetchAllBlocking(std::move(requests), tls).front());
}

std::vector<Result<ClientResponse>> FetchAllBlocking(std::vector<ClientRequest> requests,
                                                     const TlsOptions& tls) {
  asio::io_context io(1);
  std::vector<Result<ClientResponse>> answers(requests.size());
  size_t missing = requests.size();
  for (size_t i = 0; i < requests.size(); ++i) {
    asio::co_spawn(io, FetchInTime(std::move(requests[i]), tls),
                   [&, i](std::exception_ptr thrown, Result<ClientResponse> fetched) {
                     if (thrown) fetched = Fail(Code::kUnknown, "connection_lost", "an exception");
                     answers[i] = std::move(fetched);
                     if (--missing == 0) io.stop();
                   });
  }
  io.run();
  return answers;
}

// The watch is one timer, armed again only when it fires: a round trip costs no timer of its own.
struct ClientConnection::State : std::enable_shared_from_this<ClientConnection::State> {
  explicit State(const asio::any_io_executor& executor) : socket(executor), timer(executor) {}

  void Watch(steady_clock::time_point until) {
    deadline = until;
    // A wait that ends too late for this one is replaced.
    if (watching && timer.expiry() <= until) return;
    watching = true;
    timer.expires_at(until);
    timer.async_wait([weak = weak_from_this()](beast::error_code error) {
      const std::shared_ptr<State> self = weak.lock();
      if (!self || error) return;
      self->watching = false;
      if (self->deadline == steady_clock::time_point::max()) return;
      if (steady_clock::now() < self->deadline) {
        self->Watch(self->deadline);
        return;
      }
      self->timed_out = true;
      beast::error_code ignored;
      self->socket.close(ignored);
    });
  }
  void Unwatch() { deadline = steady_clock::time_point::max(); }

  tcp::socket socket;
  asio::steady_timer timer;
  beast::flat_buffer buffer;
  std::string authority;
  steady_clock::time_point deadline = steady_clock::time_point::max();
  bool watching = false;
  bool timed_out = false;
};

ClientConnection::ClientConnection(std::shared_ptr<State> state) : state_(std::move(state)) {}

ClientConnection::~ClientConnection() { Close(); }

bool ClientConnection::is_open() const { return state_->socket.is_open(); }

void ClientConnection::Close() {
  beast::error_code ignored;
  state_->socket.close(ignored);
  state_->timer.cancel();
  state_->watching = false;
}

asio::awaitable<Result<std::unique_ptr<ClientConnection>>> ClientConnection::Connect(
    asio::any_io_executor executor, std::string host, uint16_t port, milliseconds timeout) {
  auto state = std::make_shared<State>(executor);
  state->authority = fmt::format("{}:{}", host, port);
  const auto failed = [&state](std::string_view why) {
    return Fail(Code::kUnavailable, "connect_failed", fmt::format("{}: {}", state->authority, why));
  };
  Lookup::Bell looked_up(executor);
  const Result<Lookup::Addresses> found = co_await Lookup::OfProcess().Resolve(host, looked_up);
  if (!found) co_return failed(found.error().detail);
  std::vector<tcp::endpoint> endpoints;
  for (const asio::ip::address& address : *found) endpoints.emplace_back(address, port);
  const steady_clock::time_point until = steady_clock::now() + timeout;
  state->Watch(until);
  const beast::error_code connect_error = co_await ConnectInTurn(state->socket, endpoints, until);
  state->Unwatch();
  if (connect_error || state->timed_out)
    co_return failed(connect_error ? connect_error.message() : "timed out");
  beast::error_code ignored;
  state->socket.set_option(tcp::no_delay(true), ignored);
  co_return std::unique_ptr<ClientConnection>(new ClientConnection(std::move(state)));
}

asio::awaitable<Result<ClientResponse>> ClientConnection::Roundtrip(ClientRequest request) {
  const std::shared_ptr<State> state = state_;
  std::optional<std::string> head = FormatHead(request, request.url, state->authority, /*keep_alive=*/true);
  if (!head) co_return Fail(Code::kInvalidArgument, "url_malformed", "a line break in the request");
  if (!state->socket.is_open())
    co_return Fail(Code::kUnavailable, "connect_failed", "the connection is closed");
  std::string text = *std::move(head);
  text += request.body;
  state->Watch(steady_clock::now() + request.timeout);
  std::atomic<bool> sent{false};
  bool keep_alive = false;
  Result<ClientResponse> result =
      co_await Exchange(state->socket, state->buffer, std::move(text), Expected(request), &sent, &keep_alive);
  state->Unwatch();
  if (!result && state->timed_out) {
    result = Fail(Code::kUnknown, "timeout", fmt::format("no answer in {} ms", request.timeout.count()));
  }
  if (!result || !keep_alive) {
    beast::error_code ignored;
    state->socket.close(ignored);
  }
  co_return result;
}

}  // namespace boxoffice::http
