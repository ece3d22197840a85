// What a client sends, as the server's own connection reads it: heads, limits, bodies, routes, strict JSON;
// and what it is answered.
#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/json/parse.hpp>
#include <sys/socket.h>

#include "base/check.h"
#include "platform/http/connection.h"
#include "platform/http/json_reader.h"
#include "platform/http/json_writer.h"
#include "platform/http/problem.h"
#include "platform/obs/span_context.h"

namespace boxoffice::http {
namespace {

namespace beast = boost::beast;

constexpr size_t kMaxInput = 4096;  // so that a socket takes all the answers before anybody reads them
constexpr size_t kMaxBody = 128;
constexpr size_t kMaxLongBody = 512;
constexpr uint32_t kMaxHead = 512;

// What every handler may count on.
void CheckRequest(const Request& request, size_t max_body) {
  constexpr std::string_view kBreaks("\r\n\0", 3);
  CHECK(request.body().size() <= max_body, "a body of {} bytes", request.body().size());
  CHECK(request.path().starts_with('/'));
  CHECK(obs::ParseSpanContext(request.traceparent()));
  CHECK(!request.request_id().empty() && request.request_id().size() <= 128);
  for (const char* name : {"Host", "X", "Authorization", "Idempotency-Key"}) {
    const auto value = request.header(name);
    CHECK(!value || value->find_first_of(kBreaks) == std::string_view::npos, "{} has a line break", name);
  }
  for (const auto& [name, value] : request.queries()) {
    CHECK(request.query(name) == value);
    CHECK(name.find('\0') == std::string::npos && value.find('\0') == std::string::npos);
  }
}

asio::awaitable<Response> Show(Request& request) {
  CheckRequest(request, kMaxBody);
  const std::string& show = request.parameter("show");
  CHECK(!show.empty() && show.find('\0') == std::string::npos && show != "." && show != "..");
  Error error{Code::kNotFound, "show_not_found", "there is no show " + show};
  Response response = ProblemResponse(error);
  // As redirects and `Location` do: what came in goes out in a header.
  response.headers.Add("X-Show", show);
  co_return response;
}

asio::awaitable<Response> Reserve(Request& request) {
  CheckRequest(request, kMaxBody);
  ObjectReader reader(request.body());
  const int64_t show = reader.Required<int64_t>("show_id");
  const auto seats = reader.OptionalArray<int64_t>("seats", 8);
  const auto method = reader.Optional<std::string>("payment_method");
  if (ObjectReader* best = reader.OptionalObject("best_available")) (void)best->Required<int64_t>("count");
  const Result<void> read = reader.Finish();
  if (!read) co_return ProblemResponse(read.error());
  JsonWriter writer;
  writer.BeginObject().Field("show_id", show).Field("payment_method", method.value_or("")).EndObject();
  co_return JsonResponse(writer.Take(), 201);
}

asio::awaitable<Response> Upload(Request& request) {
  CheckRequest(request, kMaxLongBody);
  co_return JsonResponse("{}");
}

asio::awaitable<Response> File(Request& request) {
  CheckRequest(request, kMaxBody);
  for (std::string_view left = request.parameter("file"); !left.empty();) {
    const std::string_view part = left.substr(0, left.find('/'));
    CHECK(part != "." && part != ".." && part.find('\0') == std::string_view::npos, "out of the folder");
    left.remove_prefix(std::min(left.size(), part.size() + 1));
  }
  co_return JsonResponse("{\"file\":true}");
}

struct Answered {
  std::vector<Method> methods;  // in order
  std::vector<int> statuses;
};

std::shared_ptr<ServerShared> MakeShared(Answered& answered) {
  std::vector<ServingLoop> loops(1);
  ServingLoop& loop = loops.front();
  loop.router.Add(Method::kPost, "/v1/reservations", Reserve);
  loop.router.Add(Method::kGet, "/v1/shows/{show}/seats", Show);
  loop.router.Add(Method::kPut, "/v1/plan", Upload, {kMaxLongBody});
  loop.router.Add(Method::kGet, "/{file...}", File);
  loop.hook = [&answered](const RequestInfo& info, int status, std::chrono::microseconds) {
    answered.methods.push_back(info.method);
    answered.statuses.push_back(status);
  };
  ServerOptions options;
  options.max_body = kMaxBody;
  options.max_header = kMaxHead;
  return std::make_shared<ServerShared>(std::move(loops), std::move(options));
}

std::string Drain(int fd) {
  std::string text;
  std::array<char, 16 * 1024> buffer;
  while (true) {
    const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size <= 0) return text;
    text.append(buffer.data(), static_cast<size_t>(size));
  }
}

// Sends the pieces one after the other, each when the server has taken the one before; all that it answers.
std::string Talk(std::span<const std::string_view> pieces, const std::shared_ptr<ServerShared>& shared) {
  static asio::io_context io{1};
  int ends[2];
  CHECK(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  tcp::socket socket(io);
  socket.assign(tcp::v4(), ends[1]);
  auto connection =
      std::make_shared<Connection>(std::move(socket), shared, shared->loops.front(), /*refused=*/false);
  shared->registry.Add(connection);
  asio::co_spawn(io, [kept = std::move(connection)] { return kept->Run(); }, asio::detached);
  io.restart();
  for (const std::string_view piece : pieces) {
    io.poll();
    (void)::send(ends[0], piece.data(), piece.size(), MSG_NOSIGNAL);
  }
  ::shutdown(ends[0], SHUT_WR);
  io.run();  // until the connection has ended
  CHECK(shared->registry.size() == 0, "the connection is still there");
  std::string answers = Drain(ends[0]);
  ::close(ends[0]);
  return answers;
}

// Each answer is one of HTTP, and they are as many as the server says.
void CheckAnswers(std::string_view text, const Answered& answered) {
  constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  for (size_t i = 0; i < answered.statuses.size(); ++i) {
    while (text.starts_with(kContinue)) text.remove_prefix(kContinue.size());
    beast::http::response_parser<beast::http::string_body> parser;
    parser.eager(true);
    parser.skip(answered.methods[i] == Method::kHead);
    beast::error_code error;
    text.remove_prefix(parser.put(boost::asio::buffer(text), error));
    CHECK(!error && parser.is_done(), "answer {}: {}", i, error.message());
    const auto& answer = parser.get();
    CHECK(answer.result_int() == static_cast<unsigned>(answered.statuses[i]));
    const unsigned status = answer.result_int();
    const bool expected = status == 200 || status == 201 || status == 400 || status == 404 || status == 405 ||
                          status == 413 || status == 431;
    CHECK(expected, "status {}", status);
    if (status >= 400) CHECK(answer.count("X-Request-Id") == 1);
    if (answer.body().empty()) continue;
    const boost::json::value body = boost::json::parse(answer.body(), error);
    CHECK(!error && body.is_object(), "{}: {}", error.message(), answer.body());
  }
  while (text.starts_with(kContinue)) text.remove_prefix(kContinue.size());
  CHECK(text.empty(), "{} bytes behind the last answer", text.size());
}

// What both take is answered the same. What is malformed (a line that ends without a CR, say) is seen by
// Beast in one cut and not in the other; it is then refused, which ends the connection, or never comes to its
// end.
bool AreTheSame(const Answered& one, const Answered& other) {
  const auto is_refused = [](int status) { return status == 400 || status == 413 || status == 431; };
  const size_t both = std::min(one.statuses.size(), other.statuses.size());
  for (size_t i = 0; i < both; ++i) {
    if (is_refused(one.statuses[i]) || is_refused(other.statuses[i])) return true;
    if (one.statuses[i] != other.statuses[i] || one.methods[i] != other.methods[i]) return false;
  }
  for (const Answered& each : {one, other}) {
    if (each.statuses.size() > both && !is_refused(each.statuses[both])) return false;
  }
  return true;
}

}  // namespace

void Fuzz(std::string_view input) {
  static Answered answered;
  static const std::shared_ptr<ServerShared> shared = MakeShared(answered);
  answered = {};
  const std::array<std::string_view, 1> whole = {input};
  CheckAnswers(Talk(whole, shared), answered);
  // How the network cuts what a client sends must not matter.
  const Answered at_once = std::exchange(answered, {});
  std::vector<std::string_view> pieces;
  const size_t size = 1 + input.size() % 7 * (input.size() / 16);
  for (std::string_view left = input; !left.empty() && pieces.size() < 64;) {
    const size_t cut = pieces.size() == 63 ? left.size() : std::min(size, left.size());
    pieces.push_back(left.substr(0, cut));
    left.remove_prefix(cut);
  }
  CheckAnswers(Talk(pieces, shared), answered);
  CHECK(AreTheSame(at_once, answered), "{} answers at once, {} in pieces", at_once.statuses.size(),
        answered.statuses.size());
}

}  // namespace boxoffice::http

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > boxoffice::http::kMaxInput) return -1;
  boxoffice::http::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
