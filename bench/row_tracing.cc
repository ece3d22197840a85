// Row 13: what tracing costs a reservation: off, at 1 % and with all sampled, in turn, with a collector that
// takes everything and keeps nothing. Embedded, where a reservation takes the least CPU, so that what tracing
// adds weighs most.
#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>

#include "bench/rows.h"
#include "platform/http/server.h"

namespace boxoffice::bench {
namespace {

constexpr int kRounds = 7;
constexpr int kSeconds = 3;
constexpr double kWanted = 1.02;

struct Level {
  std::string_view name;
  std::string_view ratio;  // of what begins at the gateway; empty: tracing is off
};
constexpr std::array<Level, 3> kLevels = {{{"off", ""}, {"one_percent", "0.01"}, {"all", "1"}}};

// In this process, so that the CPU that it takes is not the system's.
class Sink {
 public:
  static Result<std::unique_ptr<Sink>> Listen() {
    auto sink = std::unique_ptr<Sink>(new Sink());
    http::Router router;
    http::RouteOptions large;
    large.max_body = 16 << 20;
    router.Add(
        http::Method::kPost, "/v1/traces",
        [raw = sink.get()](http::Request& request) -> http::asio::awaitable<http::Response> {
          raw->bytes_ += request.body().size();
          http::Response response;
          response.content_type = "application/x-protobuf";
          co_return response;
        },
        large);
    BOXOFFICE_ASSIGN(sink->server_, http::Server::Listen(sink->io_, std::move(router)));
    sink->thread_ = std::thread([raw = sink.get()] { raw->io_.run(); });
    return sink;
  }
  ~Sink() {
    if (!thread_.joinable()) return;
    server_->Stop();
    work_.reset();
    io_.stop();
    thread_.join();
  }
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  [[nodiscard]] std::string endpoint() const { return fmt::format("http://127.0.0.1:{}", server_->port()); }
  [[nodiscard]] uint64_t bytes() const { return bytes_; }

 private:
  Sink() = default;
  std::atomic<uint64_t> bytes_{0};
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{io_.get_executor()};
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
};

}  // namespace

Result<RowResult> RunTracingRow(RowContext& context) {
  RowResult row;
  row.name = "tracing";
  BOXOFFICE_ASSIGN(const std::unique_ptr<Sink> sink, Sink::Listen());
  std::array<std::vector<double>, kLevels.size()> us;
  std::array<std::vector<double>, kLevels.size()> to_off;  // within a round: what drifts is in both
  for (int round = 0; round < kRounds && !Interrupted(); ++round) {
    std::array<double, kLevels.size()> each{};
    for (size_t turn = 0; turn < kLevels.size(); ++turn) {
      const size_t i = (turn + static_cast<size_t>(round)) % kLevels.size();  // none is always the first
      ScenarioOptions options = context.embedded;
      options.seconds = kSeconds;
      const std::string ratio(kLevels[i].ratio);
      if (!ratio.empty())
        for (const std::string& word :
             {std::string("--trace-endpoint"), sink->endpoint(), std::string("--trace-sample-ratio"), ratio})
          options.arguments.push_back(word);
      const uint64_t before = sink->bytes();
      BOXOFFICE_ASSIGN(const Measurement measured, RunSale(options));
      if (ratio.empty() != (sink->bytes() == before))
        return Fail(Code::kInternal, "not_as_traced",
                    "spans came where none should, or none where some should");
      each[i] = static_cast<double>(measured.system_cpu.count()) /
                static_cast<double>(std::max<uint64_t>(1, measured.confirmed));
      AddMeasurement(row, kLevels[i].name, measured);  // the last round's
    }
    for (size_t i = 0; i < kLevels.size(); ++i) {
      us[i].push_back(each[i]);
      to_off[i].push_back(each[i] / each[0]);
    }
  }
  if (Interrupted()) return row;
  for (size_t i = 0; i < kLevels.size(); ++i) {
    const auto name = [&](std::string_view figure) { return fmt::format("{}_{}", kLevels[i].name, figure); };
    const auto [least, most] = std::ranges::minmax(us[i]);
    row.figures[name("system_us_each")] = MedianOf(us[i]);
    row.figures[name("system_us_each_least")] = least;
    row.figures[name("system_us_each_most")] = most;
    row.figures[name("cpu_to_off")] = MedianOf(to_off[i]);
  }
  row.targets.push_back({"13 CPU with 1 % traced to none", MedianOf(to_off[1]), kWanted, false, "×"});
  return row;
}

}  // namespace boxoffice::bench
