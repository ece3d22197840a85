#include "bench/followers.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/socket.h"

namespace boxoffice::bench {
namespace {

constexpr std::chrono::seconds kConnectLimit{60};
constexpr std::chrono::seconds kChangeLimit{10};

// Runs in the child, which ends without the parent's destructors.
class Crowd {
 public:
  Crowd() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

  // As many as can be had.
  void Connect(uint16_t port, const std::string& show, size_t count) {
    std::string request;
    AppendRequest(request, "GET", fmt::format("/v1/shows/{}/seats/events", show), "", "", "");
    const auto deadline = SteadyClock::now() + kConnectLimit;
    while (sockets_.size() < count && SteadyClock::now() < deadline && ConnectOne(port, request)) {
    }
    seen_.assign(sockets_.size(), 0);
  }
  // Reads until everyone has had something since the last call, or the limit is over.
  Followed Await(std::chrono::seconds limit) {
    const auto deadline = SteadyClock::now() + limit;
    ++turn_;
    missing_ = sockets_.size();
    while (missing_ > 0 && SteadyClock::now() < deadline) Read(100);
    const auto last = SteadyClock::now();
    const size_t missed = missing_;
    for (int quiet = 0; quiet < 5;) quiet = Read(200) ? 0 : quiet + 1;
    return {sockets_.size(), missed, bytes_, last};
  }

 private:
  bool ConnectOne(uint16_t port, std::string_view request) {
    Socket socket(port);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = sockets_.size();
    if (socket.fd() < 0 || !socket.Send(request) || ::fcntl(socket.fd(), F_SETFL, O_NONBLOCK) != 0 ||
        ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket.fd(), &event) != 0) {
      return false;
    }
    sockets_.push_back(std::move(socket));
    return true;
  }
  // What is there, or comes within the time; false: nothing did.
  bool Read(int milliseconds) {
    std::array<epoll_event, 512> events;
    std::array<char, 64 * 1024> buffer;
    const int count = ::epoll_wait(epoll_, events.data(), events.size(), milliseconds);
    for (int i = 0; i < count; ++i) {
      const size_t index = events[static_cast<size_t>(i)].data.u64;
      ssize_t read = 0;
      while ((read = ::recv(sockets_[index].fd(), buffer.data(), buffer.size(), 0)) > 0) {
        bytes_ += static_cast<uint64_t>(read);
        if (std::exchange(seen_[index], turn_) != turn_) --missing_;
      }
      if (read == 0) ::epoll_ctl(epoll_, EPOLL_CTL_DEL, sockets_[index].fd(), nullptr);
    }
    return count > 0;
  }

  const int epoll_;
  std::vector<Socket> sockets_;
  std::vector<int> seen_;  // the last turn in which each had something
  int turn_ = 0;
  size_t missing_ = 0;  // who has had nothing this turn
  uint64_t bytes_ = 0;
};

bool Tell(int channel, const Followed& followed) {
  return ::send(channel, &followed, sizeof(followed), MSG_NOSIGNAL) == sizeof(followed);
}

[[noreturn]] void Follow(int channel, uint16_t port, const std::string& show, size_t count) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // the generator is gone, also by kill -9: so are they
  ::setpgid(0, 0);                     // Ctrl-C is for the generator, which then ends this process
  Crowd crowd;
  crowd.Connect(port, show, count);
  char go = 0;
  for (bool told = Tell(channel, crowd.Await(kConnectLimit)); told && ::recv(channel, &go, 1, 0) == 1;)
    told = Tell(channel, crowd.Await(kChangeLimit));
  ::_exit(0);
}

}  // namespace

Result<Followers> Followers::Start(uint16_t port, const std::string& show, size_t count) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return Fail(Code::kUnavailable, "start_failed", std::strerror(errno));
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(ends[0]);
    Follow(ends[1], port, show, count);
  }
  const int error = errno;
  ::close(ends[1]);
  Followers followers(pid, ends[0]);
  if (pid < 0) return Fail(Code::kUnavailable, "start_failed", std::strerror(error));
  return followers;
}

Followers::Followers(Followers&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), channel_(std::exchange(other.channel_, -1)) {}

Followers::~Followers() {
  if (channel_ >= 0) ::close(channel_);
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

Result<void> Followers::Await() {
  const char go = 0;
  if (::send(channel_, &go, 1, MSG_NOSIGNAL) != 1)
    return Fail(Code::kUnavailable, "followers_ended", std::strerror(errno));
  return {};
}

Result<Followed> Followers::Saw() {
  Followed followed;
  ssize_t size = 0;
  while ((size = ::recv(channel_, &followed, sizeof(followed), 0)) < 0 && errno == EINTR && !Interrupted()) {
  }
  if (size != sizeof(followed)) return Fail(Code::kUnavailable, "followers_ended", "their process has ended");
  return followed;
}

}  // namespace boxoffice::bench
