// Row 11: the map of 50,000 seats as a browser fetches it, and 20,000 who follow it.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/rows.h"
#include "bench/shop.h"

namespace boxoffice::bench {
namespace {

constexpr int kFetches = 300;
constexpr size_t kFollowers = 20'000;
constexpr size_t kOtherFiles = 2'000;  // of the system and of the generator
constexpr int kChanges = 5;            // one a second
constexpr std::chrono::seconds kConnectLimit{60};
constexpr std::chrono::seconds kChangeLimit{10};

class Socket {
 public:
  explicit Socket(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd_ >= 0 && ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      ::close(fd_);
      fd_ = -1;
    }
  }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] bool Send(std::string_view bytes) const {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }

 private:
  int fd_;
};

std::unexpected<Error> NoMap(std::string_view why) {
  return Fail(Code::kUnavailable, "seat_map", fmt::format("the seat map: {}", why));
}

// Fetches the map again and again over one connection, compressed; the first bytes' times and its size.
Result<size_t> Fetch(uint16_t port, const std::string& show, Histogram& first_byte) {
  const Socket socket(port);
  if (socket.fd() < 0) return NoMap("can't connect");
  std::string request;
  AppendRequest(request, "GET", fmt::format("/v1/shows/{}/seat-map", show), "", "Accept-Encoding: gzip\r\n",
                "");
  std::array<char, 256 * 1024> buffer;
  size_t size = 0;
  for (int i = 0; i < kFetches && !Interrupted(); ++i) {
    const auto start = SteadyClock::now();
    if (!socket.Send(request)) return NoMap("can't send");
    std::string answer;
    rehearsal::ScannedResponse response;
    while (ScanResponse(answer, response) != rehearsal::Scan::kDone) {
      const ssize_t read = ::recv(socket.fd(), buffer.data(), buffer.size(), 0);
      if (read <= 0) return NoMap("the connection broke");
      if (answer.empty()) first_byte.Record(SteadyClock::now() - start);
      answer.append(buffer.data(), static_cast<size_t>(read));
    }
    if (response.status != 200) return NoMap(fmt::format("status {}", response.status));
    size = response.size;
  }
  return size;
}

// Those who follow; each counts the bytes that it gets.
class Followers {
 public:
  Followers() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
  Followers(const Followers&) = delete;
  Followers& operator=(const Followers&) = delete;
  ~Followers() { ::close(epoll_); }

  // As many as can be had.
  void Connect(uint16_t port, const std::string& show, size_t count) {
    std::string request;
    AppendRequest(request, "GET", fmt::format("/v1/shows/{}/seats/events", show), "", "", "");
    const auto deadline = SteadyClock::now() + kConnectLimit;
    while (sockets_.size() < count && SteadyClock::now() < deadline && !Interrupted()) {
      Socket socket(port);
      if (socket.fd() < 0 || !socket.Send(request)) return;
      ::fcntl(socket.fd(), F_SETFL, O_NONBLOCK);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = sockets_.size();
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket.fd(), &event);
      sockets_.push_back(std::move(socket));
    }
    seen_.assign(sockets_.size(), 0);
  }
  // Reads until everyone has had something since the last call, or the limit is over; how many had not.
  size_t AwaitAll(std::chrono::seconds limit) {
    const auto deadline = SteadyClock::now() + limit;
    ++turn_;
    size_t missing = sockets_.size();
    std::array<epoll_event, 512> events;
    std::array<char, 64 * 1024> buffer;
    while (missing > 0 && SteadyClock::now() < deadline && !Interrupted()) {
      const int count = ::epoll_wait(epoll_, events.data(), events.size(), 100);
      for (int i = 0; i < count; ++i) {
        const size_t index = events[static_cast<size_t>(i)].data.u64;
        ssize_t read = 0;
        while ((read = ::recv(sockets_[index].fd(), buffer.data(), buffer.size(), 0)) > 0) {
          bytes_ += static_cast<uint64_t>(read);
          if (std::exchange(seen_[index], turn_) != turn_) --missing;
        }
        if (read == 0) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, sockets_[index].fd(), nullptr);
      }
    }
    return missing;
  }
  // Reads what is there, so that the next AwaitAll begins with nothing.
  void Drain() {
    for (int quiet = 0; quiet < 5;) {
      std::array<epoll_event, 512> events;
      std::array<char, 64 * 1024> buffer;
      const int count = ::epoll_wait(epoll_, events.data(), events.size(), 200);
      quiet = count == 0 ? quiet + 1 : 0;
      for (int i = 0; i < count; ++i) {
        const int fd = sockets_[events[static_cast<size_t>(i)].data.u64].fd();
        ssize_t read = 0;
        while ((read = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0)
          bytes_ += static_cast<uint64_t>(read);
        if (read == 0) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
      }
    }
  }
  [[nodiscard]] size_t size() const { return sockets_.size(); }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }

 private:
  const int epoll_;
  std::vector<Socket> sockets_;
  std::vector<int> seen_;
  int turn_ = 0;
  uint64_t bytes_ = 0;
};

// From a purchase's answer until the last follower has read of it.
Result<Histogram> Follow(Followers& followers, HttpLoad& load, const Shop& shop,
                         const std::vector<Buyer>& buyers, size_t& missed) {
  Histogram delays;
  for (int change = 0; change < kChanges && !Interrupted(); ++change) {
    const Buyer& buyer = buyers[static_cast<size_t>(change)];
    std::string request;
    AppendRequest(request, "POST", "/v1/reservations", buyer.jwt,
                  fmt::format("Idempotency-Key: follow\r\nX-Queue-Token: {}\r\n", buyer.queue_token),
                  fmt::format(R"({{"show_id":"{}","seats":[{}],"pay":true}})", shop.shows()[0], change + 1));
    BOXOFFICE_ASSIGN(const HttpLoad::Reply reply, load.Call(request));
    if (reply.status != 201) return NoMap(fmt::format("a purchase: {} {}", reply.status, reply.body));
    const auto start = SteadyClock::now();
    missed += followers.AwaitAll(kChangeLimit);
    delays.Record(SteadyClock::now() - start);
    followers.Drain();  // a hold and its sale may be two changes
  }
  return delays;
}

}  // namespace

Result<RowResult> RunSeatMapRow(RowContext& context) {
  const size_t files =
      RaiseFileLimit(kFollowers + kOtherFiles);  // before the system starts, which inherits it
  const ScenarioOptions& options = context.embedded;
  BOXOFFICE_ASSIGN(const SystemProcess system, SystemProcess::Start(options.program, options.data_root,
                                                                    options.arguments, options.environment));
  BOXOFFICE_ASSIGN(const auto load, HttpLoad::Connect(system.port(), 8));
  BOXOFFICE_ASSIGN(Shop shop, Shop::Open(system, *load));
  BOXOFFICE_ASSIGN(const std::string show, shop.CreateShow());
  BOXOFFICE_ASSIGN(const std::vector<Buyer> buyers, shop.AdmitBuyers(kChanges, kChanges));
  RowResult row;
  row.name = "seat-map";
  Histogram first_byte;
  BOXOFFICE_ASSIGN(const size_t size, Fetch(system.port(), show, first_byte));
  const double first_ms = std::chrono::duration<double, std::milli>(first_byte.Percentile(0.99)).count();

  Followers followers;
  followers.Connect(system.port(), show, std::min(kFollowers, files - std::min(files, kOtherFiles)));
  size_t missed = followers.AwaitAll(kConnectLimit);  // the snapshot
  followers.Drain();
  const double snapshot_kb = static_cast<double>(followers.bytes()) / 1'000 /
                             static_cast<double>(std::max<size_t>(1, followers.size()));
  BOXOFFICE_ASSIGN(const Histogram delays, Follow(followers, *load, shop, buyers, missed));
  const double delay_ms = std::chrono::duration<double, std::milli>(delays.max()).count();
  row.figures = {
      {"followers", static_cast<double>(followers.size())},
      {"snapshot_kb", snapshot_kb},  // all states, as a follower gets them first
      {"missed", static_cast<double>(missed)},
      {"first_byte_p50_ms", std::chrono::duration<double, std::milli>(first_byte.Percentile(0.5)).count()},
      {"follow_p50_ms", std::chrono::duration<double, std::milli>(delays.Percentile(0.5)).count()}};
  row.targets = {
      {"11 first byte of 50,000 seats, p99", first_ms, 5, false, "ms"},
      {"11 on the wire", static_cast<double>(size) / 1'000, 60, false, "kB"},
      {"11 followers", static_cast<double>(followers.size()), static_cast<double>(kFollowers), true, ""},
      {"11 until the last of them knows", delay_ms, 1'000, false, "ms"}};
  if (missed > 0) row.errors["followers that had no event"] = missed;
  row.error_rate = static_cast<double>(missed) /
                   static_cast<double>(std::max<size_t>(1, followers.size() * (kChanges + 1)));
  if (followers.size() < kFollowers)
    row.note = fmt::format("this process may open {} files, and the gateway took {} followers", files,
                           followers.size());
  BOXOFFICE_ASSIGN(const AuditVerdict audit, shop.Audit());
  if (!audit.ok) row.audit = audit.json;
  return row;
}

}  // namespace boxoffice::bench
