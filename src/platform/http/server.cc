#include "platform/http/server.h"

#include <algorithm>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/check.h"
#include "platform/http/accept_error.h"
#include "platform/http/connection.h"
#include "platform/obs/log.h"

namespace boxoffice::http {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr int kBacklog = 4096;  // connections that the kernel keeps for us
constexpr std::chrono::milliseconds kMaxSweep{500};
constexpr std::chrono::milliseconds kMinSweep{10};
constexpr std::chrono::milliseconds kAcceptPause{50};  // when there are no descriptors left, or the like

// How often deadlines are looked at: often enough to be at most an eighth late.
std::chrono::milliseconds SweepInterval(const ServerOptions& options) {
  const auto shortest =
      std::min({options.idle_timeout, options.read_timeout, options.write_timeout, options.sse_keep_alive});
  return std::clamp(shortest / 8, kMinSweep, kMaxSweep);
}

}  // namespace

struct Server::Core : std::enable_shared_from_this<Server::Core> {
  Core(std::vector<ServingLoop> loops, ServerOptions options)
      : strand(asio::make_strand(*loops.front().io)),
        acceptor(strand),
        sweep(strand),
        pause(strand),
        shared(std::make_shared<ServerShared>(std::move(loops), std::move(options))) {}

  asio::awaitable<void> Accept(std::shared_ptr<Core> self);
  asio::awaitable<void> Sweep(std::shared_ptr<Core> self);
  void Admit(tcp::socket socket, const ServingLoop& loop);
  void CloseAcceptor();

  asio::any_io_executor strand;
  tcp::acceptor acceptor;
  asio::steady_timer sweep;
  asio::steady_timer pause;
  uint16_t port = 0;
  const std::shared_ptr<ServerShared> shared;
  std::atomic<bool> stopped{false};
};

asio::awaitable<void> Server::Core::Accept([[maybe_unused]] std::shared_ptr<Core> self) {
  for (size_t accepted = 0; acceptor.is_open();) {
    const ServingLoop& loop = shared->loops[accepted % shared->loops.size()];
    const asio::any_io_executor executor = shared->options.single_threaded
                                               ? asio::any_io_executor(loop.io->get_executor())
                                               : asio::any_io_executor(asio::make_strand(*loop.io));
    auto [error, socket] = co_await acceptor.async_accept(executor, kAwait);
    if (!error) {
      ++accepted;
      Admit(std::move(socket), loop);
      continue;
    }
    const AfterAcceptError next = After(error);
    if (next == AfterAcceptError::kEnd) co_return;
    if (next == AfterAcceptError::kPauseBefore) {
      obs::Log(obs::Level::kError, "http_accept_failed", {{"error", error.message()}});
      pause.expires_after(kAcceptPause);
      (void)co_await pause.async_wait(kAwait);
    }
  }
}

void Server::Core::Admit(tcp::socket socket, const ServingLoop& loop) {
  if (shared->draining) return;
  const size_t others = shared->registry.size();
  if (others >= shared->options.max_connections + shared->options.max_refused) {
    if (shared->options.dropped) shared->options.dropped();
    return;
  }
  const asio::any_io_executor executor = socket.get_executor();
  auto connection = std::make_shared<Connection>(std::move(socket), shared, loop,
                                                 others >= shared->options.max_connections);
  shared->registry.Add(connection);
  if (stopped) connection->PostStop();
  asio::co_spawn(executor, [connection] { return connection->Run(); }, asio::detached);
}

// Ends when the acceptor is closed and the last connection is gone.
asio::awaitable<void> Server::Core::Sweep([[maybe_unused]] std::shared_ptr<Core> self) {
  const std::chrono::milliseconds interval = SweepInterval(shared->options);
  while (acceptor.is_open() || shared->registry.size() > 0) {
    sweep.expires_after(interval);
    (void)co_await sweep.async_wait(kAwait);
    for (const std::shared_ptr<Connection>& connection :
         shared->registry.Expired(std::chrono::steady_clock::now())) {
      connection->PostTimeout();
    }
  }
}

void Server::Core::CloseAcceptor() {
  asio::post(strand, [self = shared_from_this()] {
    boost::system::error_code ignored;
    self->acceptor.close(ignored);
    self->pause.cancel();
    self->sweep.cancel();
  });
}

Server::Server(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Server::~Server() { Stop(); }
uint16_t Server::port() const { return core_->port; }
size_t Server::connections() const { return core_->shared->registry.size(); }
size_t Server::unsent_bytes() const { return core_->shared->unsent.bytes(); }

Result<std::unique_ptr<Server>> Server::Listen(asio::io_context& io, Router router, ServerOptions options,
                                               AccessHook hook) {
  std::vector<ServingLoop> loops;
  loops.push_back({&io, std::move(router), std::move(hook)});
  return Listen(std::move(loops), std::move(options));
}

Result<std::unique_ptr<Server>> Server::Listen(std::vector<ServingLoop> loops, ServerOptions options) {
  CHECK(!loops.empty());
  options.single_threaded |= loops.size() > 1;
  const std::string where = fmt::format("{}:{}", options.address, options.port);
  boost::system::error_code error;
  const asio::ip::address address = asio::ip::make_address(options.address, error);
  const tcp::endpoint endpoint(address, options.port);
  auto core = std::make_shared<Core>(std::move(loops), std::move(options));
  if (!error) core->acceptor.open(endpoint.protocol(), error);
  if (!error) core->acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) core->acceptor.bind(endpoint, error);
  if (!error) core->acceptor.listen(kBacklog, error);
  if (error == asio::error::address_in_use) {
    return Fail(Code::kUnavailable, "port_taken", fmt::format("{} is in use by another program", where));
  }
  if (error)
    return Fail(Code::kInvalidArgument, "listen_failed", fmt::format("{}: {}", where, error.message()));
  core->port = core->acceptor.local_endpoint(error).port();
  asio::co_spawn(core->strand, [core] { return core->Accept(core); }, asio::detached);
  asio::co_spawn(core->strand, [core] { return core->Sweep(core); }, asio::detached);
  return std::unique_ptr<Server>(new Server(std::move(core)));
}

void Server::Leave() { core_->shared->leaving = true; }

void Server::Drain() {
  if (core_->shared->draining.exchange(true)) return;
  core_->CloseAcceptor();
  for (const std::shared_ptr<Connection>& connection : core_->shared->registry.All()) connection->PostDrain();
}

bool Server::WaitDrained(std::chrono::milliseconds limit) { return core_->shared->registry.WaitEmpty(limit); }

void Server::Stop() {
  if (core_->stopped.exchange(true)) return;
  core_->shared->draining = true;
  core_->CloseAcceptor();
  for (const std::shared_ptr<Connection>& connection : core_->shared->registry.All()) connection->PostStop();
}

}  // namespace boxoffice::http
