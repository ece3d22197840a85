// Row 11: the map of 50,000 seats as a browser fetches it, and 20,000 who follow it.
#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <fmt/format.h>
#include <sys/socket.h>

#include "bench/followers.h"
#include "bench/rows.h"
#include "bench/shop.h"
#include "bench/socket.h"

namespace boxoffice::bench {
namespace {

namespace json = boost::json;

constexpr int kFetches = 300;
constexpr size_t kFollowers = 20'000;
constexpr size_t kOtherFiles = 2'000;  // of the system and of the generator
constexpr int kChanges = 5;            // one a second

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

// The system's gateways, by the ports where they listen.
Result<std::vector<uint16_t>> GatewaysOf(const SystemProcess& system) {
  if (!std::filesystem::exists(system.data_dir() / "cluster.json")) return std::vector{system.port()};
  BOXOFFICE_ASSIGN(const json::array processes, ProcessesOf(system.data_dir()));
  std::vector<uint16_t> ports;
  for (const json::value& process : processes) {
    if (process.at("service").as_string() != "gateway") continue;
    BOXOFFICE_ASSIGN(
        const rehearsal::Endpoint endpoint,
        rehearsal::ParseEndpoint(fmt::format("http://{}", process.at("listen").as_string().c_str())));
    ports.push_back(endpoint.port);
  }
  return ports;
}

// What all of them saw.
Result<Followed> Saw(std::vector<Followers>& all) {
  Followed sum;
  for (Followers& some : all) {
    BOXOFFICE_ASSIGN(const Followed saw, some.Saw());
    sum.followers += saw.followers;
    sum.missed += saw.missed;
    sum.bytes += saw.bytes;
    sum.last = std::max(sum.last, saw.last);
  }
  return sum;
}

// From a purchase's answer until the last follower has read of it.
Result<Histogram> Follow(std::vector<Followers>& followers, HttpLoad& load, const Shop& shop,
                         const std::vector<Buyer>& buyers, size_t& missed) {
  Histogram delays;
  for (int change = 0; change < kChanges && !Interrupted(); ++change) {
    const Buyer& buyer = buyers[static_cast<size_t>(change)];
    std::string request;
    AppendRequest(request, "POST", "/v1/reservations", buyer.jwt,
                  fmt::format("Idempotency-Key: follow\r\nX-Queue-Token: {}\r\n", buyer.queue_token),
                  fmt::format(R"({{"show_id":"{}","seats":[{}],"pay":true}})", shop.shows()[0], change + 1));
    for (Followers& some : followers) BOXOFFICE_TRY(some.Await());
    BOXOFFICE_ASSIGN(const HttpLoad::Reply reply, load.Call(request));
    if (reply.status != 201) return NoMap(fmt::format("a purchase: {} {}", reply.status, reply.body));
    const auto sold = SteadyClock::now();
    BOXOFFICE_ASSIGN(const Followed saw, Saw(followers));
    missed += saw.missed;
    delays.Record(saw.last - std::min(saw.last, sold));  // they may know before the buyer
  }
  return delays;
}

}  // namespace

Result<RowResult> RunSeatMapRow(RowContext& context) {
  const size_t files =
      RaiseFileLimit(kFollowers + kOtherFiles);  // before the system starts, which inherits it
  const size_t each = files - std::min(files, kOtherFiles);
  ScenarioOptions options = context.embedded;
  if (each < kFollowers) {  // more than one process may have: from two gateways
    options = context.scaled;
    options.arguments.insert(options.arguments.end(), {"--replicas", "2"});
  }
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
  const double first_ms = Millis(first_byte.Percentile(0.99));

  BOXOFFICE_ASSIGN(const std::vector<uint16_t> gateways, GatewaysOf(system));
  std::vector<Followers> followers;
  for (const uint16_t port : gateways) {
    BOXOFFICE_ASSIGN(Followers some,
                     Followers::Start(port, show, std::min(kFollowers / gateways.size(), each)));
    followers.push_back(std::move(some));
  }
  BOXOFFICE_ASSIGN(const Followed snapshot, Saw(followers));
  size_t missed = snapshot.missed;
  BOXOFFICE_ASSIGN(const Histogram delays, Follow(followers, *load, shop, buyers, missed));
  const double delay_ms = Millis(delays.max());
  const auto count = static_cast<double>(snapshot.followers);
  row.figures = {
      {"followers", count},
      {"gateways", static_cast<double>(gateways.size())},
      {"snapshot_kb", static_cast<double>(snapshot.bytes) / 1'000 / std::max(1.0, count)},  // all states
      {"missed", static_cast<double>(missed)},
      {"first_byte_p50_ms", Millis(first_byte.Percentile(0.5))},
      {"follow_p50_ms", Millis(delays.Percentile(0.5))}};
  row.targets = {{"11 first byte of 50,000 seats, p99", first_ms, 5, false, "ms"},
                 {"11 on the wire", static_cast<double>(size) / 1'000, 60, false, "kB"},
                 {"11 followers", count, static_cast<double>(kFollowers), true, ""},
                 {"11 until the last of them knows", delay_ms, 1'000, false, "ms"}};
  if (missed > 0) row.errors["followers that had no event"] = missed;
  row.error_rate = static_cast<double>(missed) / std::max(1.0, count * (kChanges + 1));
  if (gateways.size() > 1)
    row.note = fmt::format("a process may open {} files here, so {} gateways", files, gateways.size());
  if (snapshot.followers < kFollowers)
    row.note += fmt::format("{}they took {} followers", row.note.empty() ? "" : "; ", snapshot.followers);
  BOXOFFICE_ASSIGN(const AuditVerdict audit, shop.Audit());
  if (!audit.ok) row.audit = audit.json;
  return row;
}

}  // namespace boxoffice::bench
