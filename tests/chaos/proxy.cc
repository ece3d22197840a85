#include "chaos/proxy.h"

#include <array>
#include <charconv>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "platform/servers/child.h"

namespace boxoffice::chaos {
namespace {

using asio::ip::tcp;

constexpr milliseconds kLook{40};
constexpr size_t kPiece = 64 * 1024;

asio::awaitable<void> Pause(milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

// Two sockets, one to whoever connected and one to the target, and what is between.
struct Pair {
  explicit Pair(tcp::socket from) : ends{std::move(from), tcp::socket(ends[0].get_executor())} {}
  void Break() {
    for (tcp::socket& end : ends) {
      boost::system::error_code ignored;
      end.set_option(asio::socket_base::linger(true, 0), ignored);
      end.close(ignored);
    }
  }
  std::array<tcp::socket, 2> ends;
};

struct Way {
  const std::atomic<int64_t>* delay_ms;
  const std::atomic<bool>* cut;
};

// From ends[from] to the other, until either is closed.
asio::awaitable<void> Carry(std::shared_ptr<Pair> pair, size_t from, Way way) {
  std::vector<char> piece(kPiece);
  tcp::socket& in = pair->ends[from];
  tcp::socket& out = pair->ends[1 - from];
  while (true) {
    boost::system::error_code error;
    const size_t size =
        co_await in.async_read_some(asio::buffer(piece), asio::redirect_error(asio::use_awaitable, error));
    if (const int64_t delay = way.delay_ms->load(); delay > 0) co_await Pause(milliseconds(delay));
    while (way.cut->load() && in.is_open()) co_await Pause(kLook);
    if (error) {
      boost::system::error_code ignored;
      if (error != asio::error::eof) pair->Break();
      if (out.is_open()) out.shutdown(tcp::socket::shutdown_send, ignored);
      co_return;
    }
    co_await asio::async_write(out, asio::buffer(piece.data(), size),
                               asio::redirect_error(asio::use_awaitable, error));
    if (error) {
      pair->Break();
      co_return;
    }
  }
}

asio::awaitable<void> BreakAtReset(std::weak_ptr<Pair> weak, const std::atomic<uint64_t>& resets) {
  const uint64_t before = resets;
  while (!weak.expired()) {
    co_await Pause(kLook);
    if (resets == before) continue;
    if (const auto pair = weak.lock()) pair->Break();
    co_return;
  }
}

asio::awaitable<void> Serve(tcp::socket from, tcp::endpoint target, Way there, Way back,
                            const std::atomic<uint64_t>& resets) {
  auto pair = std::make_shared<Pair>(std::move(from));
  boost::system::error_code error;
  co_await pair->ends[1].async_connect(target, asio::redirect_error(asio::use_awaitable, error));
  if (error) {
    pair->Break();
    co_return;
  }
  boost::system::error_code ignored;
  for (tcp::socket& end : pair->ends) end.set_option(tcp::no_delay(true), ignored);
  const auto executor = co_await asio::this_coro::executor;
  asio::co_spawn(executor, Carry(pair, 0, there), asio::detached);
  asio::co_spawn(executor, Carry(pair, 1, back), asio::detached);
  asio::co_spawn(executor, BreakAtReset(pair, resets), asio::detached);
}

}  // namespace

Proxy::Proxy() : thread_([this] { io_.run(); }) {}

Proxy::~Proxy() {
  io_.stop();
  thread_.join();
}

Result<Link*> Proxy::Add(std::string from, std::string to, std::string target) {
  uint16_t port = 0;
  const size_t colon = target.rfind(':') + 1;
  if (std::from_chars(target.data() + colon, target.data() + target.size(), port).ec != std::errc())
    return Fail(Code::kInvalidArgument, "proxy", target);
  const tcp::endpoint there(asio::ip::address_v4::loopback(), port);
  links_.push_back(std::make_unique<Link>(std::move(from), std::move(to), std::move(target)));
  Link& link = *links_.back();
  BOXOFFICE_ASSIGN(link.port_, servers::FreePort());
  try {
    auto acceptor =
        std::make_shared<tcp::acceptor>(io_, tcp::endpoint(asio::ip::address_v4::loopback(), link.port_));
    asio::co_spawn(
        io_,
        [acceptor, there, &link]() -> asio::awaitable<void> {
          while (true) {
            boost::system::error_code error;
            tcp::socket from_socket =
                co_await acceptor->async_accept(asio::redirect_error(asio::use_awaitable, error));
            if (error) {
              co_await Pause(kLook);  // too many files: some will be closed
              continue;
            }
            asio::co_spawn(acceptor->get_executor(),
                           Serve(std::move(from_socket), there, {&link.delay_ms_, &link.cut_[0]},
                                 {&link.delay_ms_, &link.cut_[1]}, link.resets_),
                           asio::detached);
          }
        },
        asio::detached);
  } catch (const boost::system::system_error& error) {
    return Fail(Code::kUnavailable, "proxy", error.what());
  }
  return &link;
}

}  // namespace boxoffice::chaos
