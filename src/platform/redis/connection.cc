#include "platform/redis/connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/check.h"
#include "platform/dns/lookup.h"

namespace boxoffice::redis {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{50};
constexpr milliseconds kMaxPause{2'000};
constexpr size_t kChunk = 64 * 1024;

// For poll: rounded up, so that it does not spin in the last millisecond.
int MsUntil(SteadyClock::time_point deadline) {
  const auto left = std::chrono::ceil<milliseconds>(deadline - SteadyClock::now()).count();
  return static_cast<int>(std::max<int64_t>(left, 0));
}

// Before 7.0 the error of a command within a script came wrapped in another, "ERR Error running script …": no
// READONLY would be seen, so no server be left that has become a replica.
constexpr int kOldestMajor = 7;

// `info`: what INFO server answers.
Result<void> CheckVersion(std::string_view info) {
  constexpr std::string_view kField = "redis_version:";
  const size_t at = info.find(kField);
  if (at == std::string_view::npos) return {};
  info.remove_prefix(at + kField.size());
  const std::string_view version = info.substr(0, info.find_first_of("\r\n"));
  int major = kOldestMajor;
  std::from_chars(version.data(), version.data() + version.size(), major);
  if (major >= kOldestMajor) return {};
  return Fail(Code::kUnavailable, kTooOld, fmt::format("it is Redis {}; 7.0 or newer is needed", version));
}

}  // namespace

std::unexpected<Error> DatabaseUnavailable(Code code, std::string detail) {
  return Fail(code, "database_unavailable", std::move(detail));
}

void Connection::Free::operator()(redisContext* context) const { redisFree(context); }

Connection::Connection(Address address, Login login, milliseconds connect_timeout, Random& random,
                       dns::Lookup& lookup)
    : address_(std::move(address)),
      login_(std::move(login)),
      connect_timeout_(connect_timeout),
      random_(random),
      lookup_(lookup) {}
Connection::~Connection() = default;

Result<void> Connection::Open() {
  if (context_ != nullptr && !ClosedByServer()) return {};
  context_.reset();  // closed while it was idle: no request is lost, so there is no pause
  if (pausing()) {
    return Fail(Code::kUnavailable, too_old_ ? kTooOld : "database_unavailable",
                fmt::format("{}: it failed a moment ago", address_.ToString()));
  }
  const auto deadline = SteadyClock::now() + connect_timeout_;
  Result<void> opened = Connect(deadline);
  const bool connected = opened.has_value();
  if (connected) opened = Greet(deadline);
  too_old_ = !opened && opened.error().reason == kTooOld;
  if (opened) {
    failures_ = 0;
    return {};
  }
  if (!connected || context_ != nullptr) Lose({});  // what was lost in the greeting is counted already
  return Fail(Code::kUnavailable, opened.error().reason,
              fmt::format("{}: {}", address_.ToString(), opened.error().detail));
}

// hiredis itself would look the name up, for as long as that takes. It is given addresses, one after the
// other, each with its share of the time that is left: one that swallows everything leaves time for the next.
Result<void> Connection::Connect(SteadyClock::time_point deadline) {
  if (address_.port == 0) return AwaitConnected(redisConnectUnixNonBlock(address_.host.c_str()), deadline);
  const Result<dns::Lookup::Addresses> found = lookup_.ResolveBy(address_.host, deadline);
  if (!found) {
    return DatabaseUnavailable(Code::kUnavailable,
                               fmt::format("its name can't be looked up: {}", found.error().detail));
  }
  Result<void> connected = DatabaseUnavailable(Code::kUnavailable, "its name has no address");
  for (auto address = found->begin(); address != found->end() && !connected; ++address) {
    const auto now = SteadyClock::now();
    connected = AwaitConnected(redisConnectNonBlock(address->to_string().c_str(), address_.port),
                               now + (deadline - now) / std::distance(address, found->end()));
  }
  return connected;
}

Result<void> Connection::AwaitConnected(redisContext* context, SteadyClock::time_point deadline) {
  context_.reset(context);
  CHECK(context_ != nullptr, "out of memory");
  if (context_->err != 0) return DatabaseUnavailable(Code::kUnavailable, context_->errstr);
  pollfd waited{context_->fd, POLLOUT, 0};
  if (poll(&waited, 1, MsUntil(deadline)) <= 0) {
    return DatabaseUnavailable(Code::kUnavailable, "can't be reached in time");
  }
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(context_->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return DatabaseUnavailable(Code::kUnavailable, std::strerror(error));
  return {};
}

// A frozen server's kernel still accepts connections, so an answer is what shows that it is there. With it
// comes its version; whom an ACL forbids to ask for that is answered with an error.
Result<void> Connection::Greet(SteadyClock::time_point deadline) {
  if (!login_.password.empty()) {
    if (login_.user.empty()) {
      Add(std::array<std::string_view, 2>{"AUTH", login_.password});
    } else {
      Add(std::array<std::string_view, 3>{"AUTH", login_.user, login_.password});
    }
  }
  Add(std::array<std::string_view, 1>{"PING"});
  Add(std::array<std::string_view, 2>{"INFO", "server"});
  Connection* self = this;
  Exchange({&self, 1}, deadline);
  std::vector<Result<Reply>> answers = Take();
  const Result<Reply> about = std::move(answers.back());
  answers.pop_back();
  for (Result<Reply>& answer : answers) {
    if (!answer) return std::unexpected(std::move(answer).error());
    if (answer->IsError()) {
      return DatabaseUnavailable(Code::kUnavailable, std::string(answer->value().Text()));
    }
  }
  if (!about) return std::unexpected(about.error());
  return about->IsError() ? Result<void>() : CheckVersion(about->value().Text());
}

// Between exchanges nothing comes, so what can be read is the end.
bool Connection::ClosedByServer() const {
  char byte = 0;
  return recv(context_->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

void Connection::Add(std::span<const std::string_view> words) {
  CHECK(context_ != nullptr, "{} is not open", address_.ToString());
  std::vector<const char*> texts;
  std::vector<size_t> sizes;
  texts.reserve(words.size());
  sizes.reserve(words.size());
  for (const std::string_view word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* text = nullptr;
  const int size = redisFormatCommandArgv(&text, static_cast<int>(words.size()), texts.data(), sizes.data());
  CHECK(size > 0, "out of memory");
  starts_.push_back(out_.size());
  out_.append(text, static_cast<size_t>(size));
  redisFreeCommand(text);
}

void Connection::Exchange(std::span<Connection* const> connections, SteadyClock::time_point deadline) {
  // Those opened before have taken all the time: a server that is well is not to be lost for it.
  if (SteadyClock::now() >= deadline) {
    for (Connection* connection : connections) connection->loss_ = "the time was over before it was sent";
    return;
  }
  std::vector<pollfd> polled;
  std::vector<Connection*> waiting;
  while (true) {
    polled.clear();
    waiting.clear();
    for (Connection* connection : connections) {
      if (connection->written_ < connection->out_.size()) connection->Write();
      if (!connection->Waits()) continue;
      const bool more = connection->written_ < connection->out_.size();
      polled.push_back({connection->context_->fd, static_cast<short>(more ? POLLIN | POLLOUT : POLLIN), 0});
      waiting.push_back(connection);
    }
    if (polled.empty()) return;
    const int ready = poll(polled.data(), polled.size(), MsUntil(deadline));
    if (ready < 0 && errno != EINTR) CHECK(false, "poll: {}", std::strerror(errno));
    for (size_t i = 0; ready > 0 && i < polled.size(); ++i) {
      if ((polled[i].revents & ~POLLOUT) != 0) waiting[i]->Read();
    }
    if (SteadyClock::now() < deadline) continue;
    for (Connection* connection : waiting) {
      if (connection->Waits()) connection->Lose("no answer in time");
    }
    return;
  }
}

void Connection::Write() {
  while (context_ != nullptr && written_ < out_.size()) {
    const ssize_t sent =
        send(context_->fd, out_.data() + written_, out_.size() - written_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      written_ += static_cast<size_t>(sent);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno != EINTR) {
      Lose(std::strerror(errno));
    }
  }
}

void Connection::Read() {
  char chunk[kChunk];
  const ssize_t size = recv(context_->fd, chunk, sizeof chunk, MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) return Lose(size == 0 ? "closed by the server" : std::strerror(errno));
  redisReader* reader = context_->reader;
  if (redisReaderFeed(reader, chunk, static_cast<size_t>(size)) != REDIS_OK) return Lose(reader->errstr);
  while (Waits()) {
    void* reply = nullptr;
    if (redisReaderGetReply(reader, &reply) != REDIS_OK) return Lose(reader->errstr);
    if (reply == nullptr) return;
    replies_.emplace_back(static_cast<redisReply*>(reply));
  }
}

void Connection::Lose(std::string detail) {
  loss_ = std::move(detail);
  context_.reset();
  const auto full = std::min(kFirstPause * (1 << std::min(failures_, 10)), kMaxPause);
  ++failures_;
  // Half of it to all of it, so that the clients of a server that comes back do not all come at once.
  const auto half = static_cast<uint64_t>(full.count()) / 2;
  open_at_ = SteadyClock::now() + full - milliseconds(random_.Below(half + 1));
}

std::vector<Result<Reply>> Connection::Take() {
  std::vector<Result<Reply>> answers;
  answers.reserve(starts_.size());
  for (Reply& reply : replies_) answers.emplace_back(std::move(reply));
  for (size_t i = replies_.size(); i < starts_.size(); ++i) {
    const Code code = starts_[i] < written_ ? Code::kUnknown : Code::kUnavailable;
    answers.emplace_back(DatabaseUnavailable(code, fmt::format("{}: {}", address_.ToString(), loss_)));
  }
  out_.clear();
  written_ = 0;
  starts_.clear();
  replies_.clear();
  loss_.clear();
  return answers;
}

}  // namespace boxoffice::redis
