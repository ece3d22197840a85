#include "e2e/api.h"

#include <atomic>
#include <exception>
#include <ostream>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "testing/wait.h"

namespace boxoffice::e2e {
namespace {

constexpr std::chrono::seconds kDecidedWithin{20};
constexpr std::chrono::milliseconds kAskAgainAfter{200};
constexpr std::chrono::seconds kStoodStill{1};  // no answer that was at hand takes as long

const json::value* Find(const json::value& value, std::string_view path) {
  const json::value* found = &value;
  while (found != nullptr && !path.empty()) {
    const size_t dot = path.find('.');
    const json::object* object = found->if_object();
    found = object != nullptr ? object->if_contains(path.substr(0, dot)) : nullptr;
    path.remove_prefix(dot == std::string_view::npos ? path.size() : dot + 1);
  }
  return found;
}

}  // namespace

std::string Reply::header(std::string_view name) const {
  const http::ClientResponse response{status, headers, {}};
  return std::string(response.header(name).value_or(""));
}

std::string Reply::at(std::string_view path) const {
  const json::value* found = Find(body, path);
  if (found == nullptr) return {};
  return found->is_string() ? std::string(found->as_string()) : json::serialize(*found);
}

int64_t Reply::number(std::string_view path) const {
  const json::value* found = Find(body, path);
  return found != nullptr && found->is_number() ? found->to_number<int64_t>() : 0;
}

std::ostream& operator<<(std::ostream& out, const Reply& reply) {
  return out << reply.status << " " << reply.error << " " << reply.text;
}

Api::~Api() {
  connection_.reset();
  io_.restart();
  io_.poll();  // lets what was under way see its end
}

template <typename T>
T Api::Run(http::asio::awaitable<T> work) {
  std::optional<T> result;
  boost::asio::co_spawn(io_, std::move(work), [&result](const std::exception_ptr& failed, T value) {
    if (failed) std::rethrow_exception(failed);
    result = std::move(value);
  });
  io_.restart();
  while (!result && io_.run_one() > 0) continue;
  return std::move(result).value();
}

Reply Api::Call(std::string method, std::string path, http::HeaderList headers, std::string body) {
  http::ClientRequest request;
  request.method = std::move(method);
  request.url = std::move(path);
  request.headers = std::move(headers);
  request.body = std::move(body);
  request.timeout = timeout_;
  request.max_response = 64UL << 20;
  const bool reused = connection_ && connection_->is_open();
  Reply reply = CallOnce(request);
  // The server ends connections that are idle, as any does, and a browser would open another one. What is
  // repeated here is a query, or has a key.
  if (reused && reply.error == "connection_lost") reply = CallOnce(request);
  return reply;
}

Reply Api::CallWhile(const std::function<bool(const Reply&)>& open, const std::string& method,
                     const std::string& path, const http::HeaderList& headers, const std::string& body) {
  const auto until = std::chrono::steady_clock::now() + kDecidedWithin;
  while (true) {
    Reply reply = Call(method, path, headers, body);
    if (!open(reply) || std::chrono::steady_clock::now() >= until) return reply;
    testbed::Pause(kAskAgainAfter);
  }
}

Reply Api::CallUntilDecided(const std::string& method, const std::string& path,
                            const http::HeaderList& headers, const std::string& body) {
  const auto open = [](const Reply& reply) {
    return reply.status == 0 || reply.status == 202 || reply.status == 503 ||
           reply.at("code") == "idempotency_key_running";
  };
  return CallWhile(open, method, path, headers, body);
}

Reply Api::CallPatiently(const std::string& method, const std::string& path, const http::HeaderList& headers,
                         const std::string& body) {
  const auto began = std::chrono::steady_clock::now();
  bool waited = false;  // in vain, before the first answer
  const auto open = [&](const Reply& reply) {
    waited = waited || (reply.status == 503 && std::chrono::steady_clock::now() - began >= kStoodStill);
    return waited && (reply.status == 503 || reply.at("code") == "idempotency_key_running");
  };
  return CallWhile(open, method, path, headers, body);
}

Result<void> Api::Connect() {
  for (size_t tries = 1;; ++tries) {
    auto connected = Run(http::ClientConnection::Connect(io_.get_executor(), "127.0.0.1", ports_[current_]));
    if (connected) {
      connection_ = *std::move(connected);
      return {};
    }
    if (tries == ports_.size()) return std::unexpected(std::move(connected).error());
    current_ = (current_ + 1) % ports_.size();
  }
}

Reply Api::CallOnce(const http::ClientRequest& request) {
  Reply reply;
  if (!connection_ || !connection_->is_open()) {
    if (const auto connected = Connect(); !connected) {
      reply.error = connected.error().reason;
      return reply;
    }
  }
  auto response = Run(connection_->Roundtrip(request));
  if (!response) {
    reply.error = response.error().reason;
    connection_.reset();
    return reply;
  }
  if (!connection_->is_open()) current_ = (current_ + 1) % ports_.size();
  reply.status = response->status;
  reply.headers = std::move(response->headers);
  reply.text = std::move(response->body);
  boost::system::error_code not_json;
  reply.body = json::parse(reply.text, not_json);
  if (not_json) reply.body = nullptr;
  return reply;
}

void ForEachAtOnce(int connections, int count, const std::function<void(int connection, int number)>& work) {
  std::atomic<int> next = 0;
  std::vector<std::thread> threads;
  for (int connection = 0; connection < connections; ++connection) {
    threads.emplace_back([&, connection] {
      for (int number = next++; number < count; number = next++) work(connection, number);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace boxoffice::e2e
