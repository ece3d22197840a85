#include "platform/http/connection.h"

#include <algorithm>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/check.h"
#include "platform/http/problem.h"
#include "platform/http/response_head.h"
#include "platform/obs/log.h"
#include "platform/obs/span.h"

namespace boxoffice::http {
namespace {

namespace beast = boost::beast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kReadAtLeast = 4 * 1024;  // bytes of room for a read; a typical request in one
constexpr size_t kReadBody = 64 * 1024;    // … when a big body comes
constexpr size_t kKeptBuffer = 16 * 1024;  // bytes kept by a connection that waits
constexpr size_t kJoined = 8 * 1024;       // a body up to this is copied behind its head: one buffer to send
constexpr size_t kBodyBytesPerMs = 128;    // the slowest upload that a big body's time-out allows
constexpr milliseconds kLinger{2'000};  // for the client to read an answer that came before its request's end
constexpr size_t kMaxLingered = 4 * 1024 * 1024;  // bytes read and dropped meanwhile
constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);

}  // namespace

Connection::Connection(tcp::socket socket, std::shared_ptr<ServerShared> shared, const ServingLoop& loop,
                       bool refused)
    : socket_(std::move(socket)),
      shared_(std::move(shared)),
      loop_(loop),
      refused_(refused),
      stream_ended_(socket_.get_executor()) {
  beast::error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  socket_.non_blocking(true, ignored);
  const tcp::endpoint peer = socket_.remote_endpoint(ignored);
  remote_address_ = peer.address().to_string();
}

Connection::~Connection() { shared_->registry.Remove(this); }

void Connection::Enter(Phase phase, milliseconds limit, SteadyTime now) {
  phase_ = phase;
  deadline_.store(limit == milliseconds::max() ? SteadyTime::max() : now + limit, std::memory_order_relaxed);
}

void Connection::Close() {
  beast::error_code ignored;
  socket_.close(ignored);
}

void Connection::OnTimeout() {
  if (!expired(steady_clock::now())) return;  // it went on meanwhile
  beast::error_code ignored;
  switch (phase_) {
    case Phase::kReading:
      timed_out_ = true;
      deadline_.store(SteadyTime::max(), std::memory_order_relaxed);
      socket_.cancel(ignored);
      break;
    case Phase::kStreaming:
      KeepStreamAlive();
      break;
    case Phase::kHandling:
      break;
    case Phase::kIdle:
    case Phase::kWriting:
    case Phase::kLingering:
      Close();
      break;
  }
}

void Connection::OnDrain() {
  beast::error_code ignored;
  if (phase_ == Phase::kIdle) {
    drained_ = true;
    socket_.cancel(ignored);
  }
  EndStream();
}

asio::awaitable<void> Connection::Run() {
  const std::shared_ptr<Connection> self = shared_from_this();
  try {
    co_await Serve();
  } catch (const std::exception& e) {
    obs::Log(obs::Level::kError, "http_connection_failed", {{"error", e.what()}});
  }
  Close();
}

asio::awaitable<void> Connection::Serve() {
  if (refused_) {
    Error error;
    error.code = Code::kUnavailable;
    error.reason = "too_many_connections";
    keep_alive_ = false;
    unread_ = true;
    early_ = ProblemResponse(error);
    co_await Answer();
    co_await Linger();
    co_return;
  }
  while (true) {
    const bool complete = co_await ReadRequest();
    if (!complete) co_return;
    co_await Answer();
    if (!keep_alive_ || !socket_.is_open()) break;
  }
  if (unread_ || buffer_.size() > 0) co_await Linger();
}

// What a read has brought. False: there is nothing more to come, or it came too late (timed_out_).
bool Connection::TakeIn(beast::error_code error, size_t size) {
  if (!error) {
    buffer_.commit(size);
    return true;
  }
  return error == asio::error::operation_aborted && drained_ && socket_.is_open() && TakeLate();
}

// The drain found us idle. What the client sent before it could know is still answered. False: nothing.
bool Connection::TakeLate() {
  drained_ = false;
  beast::error_code ignored;
  const size_t late = socket_.read_some(buffer_.prepare(kReadAtLeast), ignored);
  buffer_.commit(late);
  return late > 0;
}

// Reads the next request, or as much of it as is needed to refuse it (then early_ is set). False: the
// connection ends.
asio::awaitable<bool> Connection::ReadRequest() {
  const ServerOptions& options = shared_->options;
  request_.Clear();
  request_.SetRemoteAddress(remote_address_);
  early_.reset();
  match_ = {};
  if (buffer_.size() == 0 && buffer_.capacity() > kKeptBuffer) buffer_ = beast::flat_buffer();
  timed_out_ = false;
  parser_.emplace(request_, options.max_header, options.given_once);
  Enter(Phase::kIdle, options.idle_timeout, answered_);
  bool accepted = false;
  bool starved = buffer_.size() == 0;
  while (true) {
    if (starved) {
      if (phase_ == Phase::kIdle && shared_->draining) {
        if (!TakeLate()) co_return false;  // nothing is read any more but what has already come
      } else {
        bool more = false;
        if (!timed_out_ && !stopped_) {
          const bool in_body = phase_ == Phase::kReading && parser_->is_header_done();
          const size_t room = in_body ? kReadBody : kReadAtLeast;
          const auto [error, size] = co_await socket_.async_read_some(buffer_.prepare(room), kAwait);
          more = TakeIn(error, size);
        }
        if (!more && !timed_out_) co_return false;
        if (timed_out_) {
          Refuse(408, "request_timeout");
          co_return true;
        }
      }
    }
    if (SkipEmptyLine()) {
      starved = buffer_.size() < 2;  // nothing, or half of another one
      continue;
    }
    if (phase_ == Phase::kIdle) {
      started_ = steady_clock::now();
      Enter(Phase::kReading, options.read_timeout, started_);
      drained_ = false;
    }
    beast::error_code error;
    const size_t used = parser_->put(asio::const_buffer(buffer_.data()), error);
    buffer_.consume(used);
    // Beast counts neither a chunk's extension nor a trailer. What is left of a body is an unfinished one of
    // these, as its bytes are taken whole.
    if (accepted && error == beast::http::error::need_more && buffer_.size() > options.max_header)
      error = beast::http::error::header_limit;
    if (error && error != beast::http::error::need_more) {
      RefuseUnreadable(error);
      co_return true;
    }
    if (parser_->is_header_done() && !accepted) {
      accepted = true;
      if (!AcceptHead()) co_return true;
      if (parser_->is_done()) co_return true;
      const bool sent = co_await SendContinue();
      if (!sent) co_return false;
    }
    if (parser_->is_done()) co_return true;
    starved = buffer_.size() == 0 || error == beast::http::error::need_more;
  }
}

// RFC 9112, section 2.2: one before a request is ignored, as some clients send it after a body. False: there
// is none.
bool Connection::SkipEmptyLine() {
  const std::string_view unread(static_cast<const char*>(buffer_.data().data()), buffer_.size());
  if (parser_->got_some()) return false;
  if (unread == "\r") return true;  // the rest of it comes
  if (!unread.starts_with("\r\n")) return false;
  buffer_.consume(2);
  return true;
}

// Decides by the head alone. False: refused, and a body that follows is not read.
bool Connection::AcceptHead() {
  const ServerOptions& options = shared_->options;
  keep_alive_ = parser_->keep_alive();
  // RFC 9112, section 3.2: without a Host, or with two, it is no HTTP/1.1 request.
  if (!parser_->has_host() && parser_->version() == 11)
    return Refuse(400, "request_malformed", "no Host header");
  if (!parser_->query_error().reason.empty()) {
    return Refuse(400, parser_->query_error().reason, parser_->query_error().detail);
  }
  match_ = loop_.router.Find(request_.method(), request_.path());
  if (match_.status == 400) return Refuse(400, "path_malformed");
  if (match_.status == 404) return Refuse(404, "route_not_found");
  if (match_.status == 405) {
    Refuse(405, "method_not_allowed");
    early_->headers.Add("Allow", match_.allow);
    return false;
  }
  if (parser_->is_encoded() && !parser_->is_done()) {
    Refuse(415, "content_encoding_unsupported", "bodies are taken uncompressed");
    early_->headers.Add("Accept-Encoding", "identity");  // RFC 9110, section 12.5.3
    return false;
  }
  for (size_t i = 0; i < match_.values.size(); ++i) {
    request_.SetParameter(match_.route->names[i], std::move(match_.values[i]));
  }
  const size_t allowed =
      match_.route->options.max_body != 0 ? match_.route->options.max_body : options.max_body;
  const boost::optional<uint64_t> length = parser_->content_length();
  if (length && *length > allowed)
    return Refuse(413, "body_too_large", fmt::format("at most {} bytes", allowed));
  parser_->body_limit(allowed);
  parser_->eager(true);
  if (!parser_->is_done() && allowed > options.max_body) {
    const size_t announced = length ? static_cast<size_t>(*length) : allowed;
    if (announced > options.max_body && !AdmitBody()) return false;
    Enter(Phase::kReading, options.read_timeout + milliseconds(announced / kBodyBytesPerMs));
  }
  return true;
}

// Anybody may send as much as every route takes; more only whom the route admits. False: refused.
bool Connection::AdmitBody() {
  const RouteOptions& route = match_.route->options;
  if (route.admit) early_ = route.admit(request_);
  if (!early_) return true;
  keep_alive_ = false;
  unread_ = true;
  return false;
}

asio::awaitable<bool> Connection::SendContinue() {
  // RFC 9110, section 10.1.1: not if the body is already coming, nor to HTTP/1.0.
  if (!parser_->expects_continue() || buffer_.size() > 0 || parser_->version() < 11) co_return true;
  const std::string_view text = "HTTP/1.1 100 Continue\r\n\r\n";
  const bool sent = co_await Write(text, {});
  if (sent) phase_ = Phase::kReading;
  co_return sent;
}

bool Connection::Refuse(int status, std::string_view reason, std::string detail) {
  // The code decides nothing here but that the detail is shown.
  Error error;
  error.code = Code::kInvalidArgument;
  error.reason = std::string(reason);
  error.detail = std::move(detail);
  early_ = ProblemResponse(error, status);
  if (!parser_->is_done()) {
    keep_alive_ = false;
    unread_ = true;
  }
  return false;
}

void Connection::RefuseUnreadable(beast::error_code reason) {
  using beast::http::error;
  const size_t allowed = match_.route != nullptr && match_.route->options.max_body != 0
                             ? match_.route->options.max_body
                             : shared_->options.max_body;
  if (reason == error::header_limit) {
    Refuse(431, "header_too_large",
           fmt::format("at most {} bytes and {} headers", shared_->options.max_header, kMaxHeaders));
  } else if (reason == error::body_limit) {
    Refuse(413, "body_too_large", fmt::format("at most {} bytes", allowed));
  } else {
    const std::string_view repeated = parser_->repeated();
    Refuse(400, "request_malformed",
           repeated.empty() ? reason.message() : fmt::format("{} is given twice", repeated));
  }
  keep_alive_ = false;
  unread_ = true;
}

asio::awaitable<void> Connection::Answer() {
  Enter(Phase::kHandling, milliseconds::max(), started_);
  Response response;
  if (early_) {
    response = *std::move(early_);
  } else {
    std::optional<std::string> thrown;
    try {
      response = co_await match_.route->handler(request_);
    } catch (const std::exception& e) {
      thrown = e.what();
    } catch (...) {  // a handler is others' code: whatever it throws ends its request only
      thrown = "not a std::exception";
    }
    if (thrown) [[unlikely]]
      response = HandlerThrew(*thrown);
  }
  if (stopped_) {
    keep_alive_ = false;
    co_return;
  }
  if (response.stream) {
    keep_alive_ = false;  // a stream has no length: it ends with the connection
    unread_ = true;
  }
  if (shared_->leaving || shared_->draining) keep_alive_ = false;
  const std::string_view body = Compose(response);
  size_t written = 0;
  const Wrote wrote = TryWrite(head_, body, &written);  // nearly always all: a coroutine less
  bool sent = wrote == Wrote::kAll;
  if (wrote == Wrote::kPart) {
    const UnsentBody held(shared_->unsent, response.body.size(),
                          [self = shared_from_this()] { self->PostGiveUp(); });
    sent = co_await WriteOn(head_, body, written);
  }
  Report(response.status, HasBody(response) ? response.content().size() : 0);
  if (!sent) {
    keep_alive_ = false;
    unread_ = false;
    Close();
  } else if (response.stream && request_.method() != Method::kHead) {
    co_await RunStream(std::move(response.stream));
  }
}

Response Connection::HandlerThrew(const std::string& what) {
  obs::Log(obs::Level::kError, "http_handler_threw",
           {{"route", match_.route->pattern}, {"error", what}, {"request_id", request_.request_id()}},
           request_.traceparent());
  Error error;
  error.reason = "internal_error";
  return ProblemResponse(error);
}

bool Connection::HasBody(const Response& response) const {
  return request_.method() != Method::kHead && !response.stream && response.status != 204 &&
         response.status != 304;
}

// Puts the answer's head into head_, and a short body behind it. What comes after that is returned.
std::string_view Connection::Compose(Response& response) {
  HeadOptions head_options;
  head_options.keep_alive = keep_alive_;
  head_options.http_1_0 = parser_ && parser_->version() == 10;
  if (response.status >= 400) {
    head_options.request_id = request_.request_id();
    AddRequestId(head_options.request_id, response);
  }
  if (shared_->options.finish) shared_->options.finish(request_, response);
  head_.clear();
  AppendHead(response, head_options, head_);
  if (!HasBody(response)) return {};
  const std::string_view body = response.content();
  if (body.size() > kJoined) return body;
  head_.append(body);
  return {};
}

// By OpenTelemetry's conventions for HTTP servers. Of the client it tells nothing: addresses are personal.
void Connection::Trace(int status) const {
  const std::string_view route =
      match_.route != nullptr ? std::string_view(match_.route->pattern) : std::string_view();
  const ServerOptions& options = shared_->options;
  if (options.traced_as.empty() || refused_ ||
      std::ranges::find(options.untraced, route) != options.untraced.end())
    return;
  const auto took = steady_clock::now() - started_;
  obs::Span span;
  span.context = obs::ParseSpanContext(request_.traceparent());
  const obs::Kept why = obs::WhyKept(span.context, status >= 500, took);
  if (why == obs::Kept::kNo) return;
  span.parent = obs::ParseSpanContext(request_.header("traceparent").value_or("")).span;
  span.kind = obs::SpanKind::kServer;
  span.service = options.traced_as;
  const std::string_view method = MethodName(request_.method());
  span.name = route.empty() ? std::string(method) : fmt::format("{} {}", method, route);
  span.end = obs::SpanNow();
  span.start = span.end - took;
  span.attributes = {{"http.request.method", std::string(method)},
                     {"url.scheme", std::string("http")},
                     {"url.path", std::string(request_.path())},
                     {"http.response.status_code", int64_t{status}}};
  if (!route.empty()) span.attributes.push_back({"http.route", std::string(route)});
  if (status >= 500) span.Fail(fmt::format("{}", status));
  obs::RecordAs(why, std::move(span));
}

void Connection::Report(int status, size_t response_bytes) {
  answered_ = steady_clock::now();
  if (obs::TracingOn()) [[unlikely]]
    Trace(status);
  if (!loop_.hook) return;
  RequestInfo info;
  info.method = request_.method();
  info.route = match_.route != nullptr ? std::string_view(match_.route->pattern) : std::string_view();
  info.path = request_.path();
  info.remote_address = remote_address_;
  info.request_bytes = request_.body().size();
  info.response_bytes = response_bytes;
  loop_.hook(info, status, std::chrono::duration_cast<std::chrono::microseconds>(answered_ - started_));
}

// Hands the kernel what it takes now: nearly always all, which saves a turn through the reactor.
Connection::Wrote Connection::TryWrite(std::string_view head, std::string_view body, size_t* written) {
  const std::array<asio::const_buffer, 2> buffers = {asio::buffer(head), asio::buffer(body)};
  beast::error_code error;
  *written = body.empty() ? socket_.write_some(buffers[0], error) : socket_.write_some(buffers, error);
  if (error == asio::error::would_block || error == asio::error::try_again) return Wrote::kPart;
  if (error) return Wrote::kFailed;
  return *written == head.size() + body.size() ? Wrote::kAll : Wrote::kPart;
}

// `head` and `body` must live until it is done.
asio::awaitable<bool> Connection::Write(std::string_view head, std::string_view body) {
  size_t written = 0;
  const Wrote wrote = TryWrite(head, body, &written);
  if (wrote == Wrote::kPart) co_return co_await WriteOn(head, body, written);
  co_return wrote == Wrote::kAll;
}

// What the kernel did not take at once.
asio::awaitable<bool> Connection::WriteOn(std::string_view head, std::string_view body, size_t written) {
  const Phase before = phase_;
  const ServerOptions& options = shared_->options;
  // All of it, of whoever reads a little all the time; a stream's event has its one time-out (SendFormatted).
  const uint64_t slow_ms = 1'000 * (head.size() + body.size() - written) / options.slowest_reader;
  const SteadyTime end = steady_clock::now() + options.write_timeout + milliseconds(slow_ms);
  Wrote wrote = Wrote::kPart;
  while (wrote == Wrote::kPart) {
    const size_t of_head = std::min(written, head.size());
    head.remove_prefix(of_head);
    body.remove_prefix(written - of_head);
    // Each piece has the whole time-out: a slow reader is no dead one.
    if (before != Phase::kStreaming) {
      const SteadyTime now = steady_clock::now();
      Enter(Phase::kWriting, std::min(options.write_timeout, std::chrono::ceil<milliseconds>(end - now)),
            now);
    }
    const auto [error] = co_await socket_.async_wait(tcp::socket::wait_write, kAwait);
    if (error) co_return false;
    wrote = TryWrite(head, body, &written);
  }
  co_return wrote == Wrote::kAll;
}

asio::awaitable<void> Connection::RunStream(SseBody body) {
  if (shared_->draining || stopped_) co_return;
  const std::shared_ptr<Connection> self = shared_from_this();
  Enter(Phase::kStreaming, shared_->options.sse_keep_alive);
  const auto ended = [self](std::exception_ptr) {
    self->stream_done_ = true;
    beast::error_code ignored;
    self->socket_.cancel(ignored);
    self->stream_ended_.cancel();
  };
  asio::co_spawn(socket_.get_executor(), Produce(std::move(body)),
                 asio::bind_cancellation_slot(stream_cancel_.slot(), ended));
  // The client has nothing to say: a read ends when it leaves.
  while (!stream_done_ && !stopped_) {
    buffer_.clear();
    const auto [error, size] = co_await socket_.async_read_some(buffer_.prepare(kReadAtLeast), kAwait);
    if (error) break;
  }
  buffer_.clear();
  EndStream();
  while (!stream_done_) {
    stream_ended_.expires_at(SteadyTime::max());
    (void)co_await stream_ended_.async_wait(kAwait);
  }
  unread_ = socket_.is_open();
}

asio::awaitable<void> Connection::Produce(SseBody body) {
  try {
    co_await body(*this);
  } catch (const boost::system::system_error& e) {
    if (e.code() != asio::error::operation_aborted) LogStreamError(e);
  } catch (const std::exception& e) {
    LogStreamError(e);
  }
  // Asio 1.24 posts at the end of a coroutine that never waited, and that throws out of io_context::run if
  // the coroutine is cancelled. So it no longer is.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
}

void Connection::LogStreamError(const std::exception& error) {
  obs::Log(obs::Level::kError, "http_stream_threw",
           {{"route", match_.route->pattern}, {"error", error.what()}}, request_.traceparent());
}

asio::awaitable<bool> Connection::Send(std::string event, std::string id, std::string data) {
  auto text = std::make_shared<const std::string>(FormatSseEvent(event, id, data));
  return SendFormatted(std::move(text));
}

asio::awaitable<bool> Connection::SendFormatted(std::shared_ptr<const std::string> text) {
  if (stream_closed_) co_return false;
  CHECK(!stream_writing_, "one Send at a time");
  stream_writing_ = true;
  Enter(Phase::kStreaming, shared_->options.write_timeout);
  const std::string left = std::exchange(stream_left_, {});
  const bool sent = co_await Write(left.empty() ? std::string_view(*text) : std::string_view(left),
                                   left.empty() ? std::string_view() : std::string_view(*text));
  stream_writing_ = false;
  if (!sent) EndStream();
  Enter(Phase::kStreaming, shared_->options.sse_keep_alive);
  co_return sent && !stream_closed_;
}

// The deadline of a stream has passed: either the client takes nothing, or nothing was sent for a while.
void Connection::KeepStreamAlive() {
  if (stream_writing_) {
    EndStream();
    Close();
    return;
  }
  if (stream_left_.empty()) stream_left_ = ": keep-alive\n\n";
  size_t written = 0;
  const Wrote wrote = TryWrite(stream_left_, {}, &written);
  stream_left_.erase(0, written);
  if (wrote == Wrote::kFailed) {
    EndStream();
    Close();
    return;
  }
  Enter(Phase::kStreaming, shared_->options.sse_keep_alive);
}

void Connection::EndStream() {
  if (phase_ != Phase::kStreaming || stream_closed_) return;
  stream_closed_ = true;
  stream_cancel_.emit(asio::cancellation_type::terminal);
}

// Ends the connection so that the client can read the answer: closing at once, with bytes of it unread, would
// reset the connection and may take the answer with it (RFC 9112, section 9.6).
asio::awaitable<void> Connection::Linger() {
  beast::error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  Enter(Phase::kLingering, kLinger);
  buffer_.clear();
  for (size_t total = 0; total < kMaxLingered && !stopped_;) {
    const auto [error, size] = co_await socket_.async_read_some(buffer_.prepare(kReadBody), kAwait);
    if (error) break;
    total += size;
  }
}

}  // namespace boxoffice::http
