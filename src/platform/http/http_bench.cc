// What a request costs: a trivial handler on one thread, asked over the loopback by connections on another.
#include <thread>

#include <benchmark/benchmark.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include "base/check.h"
#include "platform/http/client.h"
#include "platform/http/json_reader.h"
#include "platform/http/server.h"

namespace boxoffice::http {
namespace {

asio::awaitable<Response> Hello(Request&) { co_return JsonResponse("{\"hello\":\"world\"}"); }

asio::awaitable<void> Ask(uint16_t port, int requests) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto connected = co_await ClientConnection::Connect(executor, "127.0.0.1", port);
  CHECK(connected.has_value());
  const std::unique_ptr<ClientConnection> connection = *std::move(connected);
  ClientRequest request;
  request.url = "/v1/shows/7";
  request.headers.emplace_back("Authorization", "Bearer " + std::string(200, 'x'));
  for (int i = 0; i < requests; ++i) {
    const Result<ClientResponse> response = co_await connection->Roundtrip(request);
    CHECK(response.has_value() && response->status == 200);
  }
}

void Requests(benchmark::State& state) {
  asio::io_context io(1);
  Router router;
  router.Add(Method::kGet, "/v1/shows/{show}", Hello);
  ServerOptions options;
  options.single_threaded = true;
  const std::unique_ptr<Server> server = *Server::Listen(io, std::move(router), options);
  std::jthread thread([&io] { io.run(); });
  constexpr int kEach = 1000;
  const auto connections = static_cast<int>(state.range(0));
  for (auto _ : state) {
    asio::io_context client(1);
    for (int i = 0; i < connections; ++i) {
      asio::co_spawn(client, Ask(server->port(), kEach), [](std::exception_ptr thrown) { CHECK(!thrown); });
    }
    client.run();
  }
  state.counters["requests/s"] = benchmark::Counter(
      static_cast<double>(state.iterations() * connections * kEach), benchmark::Counter::kIsRate);
  io.stop();
}
BENCHMARK(Requests)->Arg(1)->Arg(32)->Arg(256)->UseRealTime()->Unit(benchmark::kMillisecond);

void ReadBody(benchmark::State& state) {
  constexpr std::string_view kBody = R"({"show_id":7,"best_available":{"count":2,"section":"A"},"pay":true})";
  for (auto _ : state) {
    ObjectReader r(kBody);
    benchmark::DoNotOptimize(r.Required<int64_t>("show_id"));
    ObjectReader* best = r.OptionalObject("best_available");
    benchmark::DoNotOptimize(best->Required<int64_t>("count"));
    benchmark::DoNotOptimize(best->Optional<std::string_view>("section"));
    benchmark::DoNotOptimize(r.Optional<bool>("pay"));
    CHECK(r.Finish().has_value());
  }
}
BENCHMARK(ReadBody);

}  // namespace
}  // namespace boxoffice::http
