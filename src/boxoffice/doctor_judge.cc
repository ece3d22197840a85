// What counts as wrong, and what to do about it.
#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "boxoffice/doctor.h"

namespace boxoffice::doctor {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Tokens are taken with 30 s of skew (jwt.clock_skew_ms), holds and leases are judged by stores: what is
// shown to people differs long before anything breaks.
constexpr milliseconds kNoticeableSkew{1'000};
constexpr milliseconds kHarmfulSkew{25'000};

constexpr double kLittleSpace = 0.10;
constexpr double kNoSpace = 0.02;
constexpr uint64_t kLittleBytes = 2ULL << 30;
constexpr uint64_t kNoBytes = 256ULL << 20;

// Of its replicas one serves, and the others are ready and do not listen (docs/adr/0008).
constexpr std::string_view kStandsBy = "queue";

constexpr seconds kDay{86'400};
constexpr seconds kRenewWithin = 30 * kDay;
constexpr seconds kRenewNow = 3 * kDay;

}  // namespace

std::string_view StatusName(Status status) {
  switch (status) {
    case Status::kOk:
      return "ok";
    case Status::kSkipped:
      return "skipped";
    case Status::kWarning:
      return "warning";
    case Status::kProblem:
      break;
  }
  return "problem";
}

Finding JudgeConfiguration(const Error& error, bool assumed) {
  Finding finding{.check = "configuration",
                  .subject = "all services",
                  .status = Status::kProblem,
                  .detail = fmt::format("{} ({})", error.detail, error.reason)};
  if (assumed && error.reason == "no_data_folder") {
    finding.status = Status::kSkipped;
    finding.advice =
        "give --config or --data, where the system's are, to check stores, the bus, disks, certificates and "
        "keys too";
  } else {
    finding.advice =
        "correct the file or variable that is named; `boxoffice-SERVICE config print` shows what is read";
  }
  return finding;
}

Finding JudgeClock(std::string subject, milliseconds ahead) {
  Finding finding{
      .check = "clock",
      .subject = std::move(subject),
      .detail = fmt::format("{:+.3f} s from this machine's", static_cast<double>(ahead.count()) / 1000)};
  const milliseconds off = ahead < milliseconds(0) ? -ahead : ahead;
  if (off <= kNoticeableSkew) return finding;
  finding.status = off > kHarmfulSkew ? Status::kProblem : Status::kWarning;
  finding.advice =
      "synchronise both machines' clocks (chrony or systemd-timesyncd: `timedatectl` shows which one is "
      "off); "
      "tokens are refused past 30 s, and holds end early by what a store is ahead of another";
  return finding;
}

Finding JudgeDisk(const std::filesystem::path& folder, uint64_t free_bytes, uint64_t all_bytes) {
  const double part = all_bytes == 0 ? 0 : static_cast<double>(free_bytes) / static_cast<double>(all_bytes);
  Finding finding{.check = "disk",
                  .subject = folder.string(),
                  .detail = fmt::format("{:.1f} GiB free of {:.1f} ({:.0f} %)",
                                        static_cast<double>(free_bytes) / (1ULL << 30),
                                        static_cast<double>(all_bytes) / (1ULL << 30), part * 100)};
  if (free_bytes < kNoBytes || part < kNoSpace) {
    finding.status = Status::kProblem;
  } else if (free_bytes < kLittleBytes || part < kLittleSpace) {
    finding.status = Status::kWarning;
  } else {
    return finding;
  }
  finding.advice =
      "make room or enlarge the disk: when it is full nothing is acknowledged any more, and sales stop until "
      "there is space";
  return finding;
}

Finding JudgeCertificate(std::string subject, const std::filesystem::path& file, seconds left) {
  const auto days = left.count() / kDay.count();
  Finding finding{.check = "certificate", .subject = std::move(subject)};
  if (left <= seconds(0)) {
    finding.status = Status::kProblem;
    finding.detail = fmt::format("{} has ended", file.string());
    finding.advice = "renew it, and the service takes it by itself: nobody can call it now";
    return finding;
  }
  finding.detail = fmt::format("{} ends in {} days", file.string(), days);
  if (left >= kRenewWithin) return finding;
  finding.status = left < kRenewNow ? Status::kProblem : Status::kWarning;
  finding.advice = "renew it; the service takes it by itself";
  return finding;
}

Finding JudgeReachability(std::string_view client, std::string_view service, size_t reached,
                          const std::vector<std::string>& unreached) {
  Finding finding{.check = "breaker", .subject = fmt::format("{} → {}", client, service)};
  const std::string addresses = fmt::format("{}", fmt::join(unreached, ", "));
  if (reached > 0 && service == kStandsBy) {
    finding.detail = fmt::format("one replica serves, and the others stand by ({})", addresses);
    return finding;
  }
  finding.advice = "start what is named, or take its address out of peer.*; see network and certificates";
  if (reached == 0) {
    finding.status = Status::kProblem;
    finding.detail = fmt::format("no replica can be reached ({})", addresses);
  } else {
    finding.status = Status::kWarning;
    finding.detail = fmt::format("{} can't be reached; the other replicas are asked", addresses);
  }
  return finding;
}

Finding JudgeSilence(std::string subject, int64_t pid, std::string_view state, std::string_view log) {
  Finding finding{.check = "replica",
                  .subject = std::move(subject),
                  .status = Status::kProblem,
                  .detail = fmt::format("it runs (pid {}, state {}) and does not answer: frozen or busy", pid,
                                        state.empty() ? "unknown" : state)};
  finding.advice = fmt::format(
      "look at /proc/{}/status (State T: stopped, D: waits for a disk), at the machine's load, and at {}; if "
      "it goes on, `kill -KILL {}`: nothing is lost, and `up --scaled` starts another",
      pid, log, pid);
  return finding;
}

Finding JudgeVersion(std::string subject, std::string_view found, std::string_view own) {
  Finding finding{.check = "version", .subject = std::move(subject), .detail = std::string(found)};
  if (found == own) return finding;
  finding.status = Status::kWarning;
  finding.detail =
      fmt::format("{}, this program is {}", found.empty() ? "older than all that tell" : found, own);
  finding.advice =
      "finish the deployment: replicas of two versions work side by side, but not for long; or use the "
      "program "
      "of the version that runs";
  return finding;
}

Finding JudgeTokenKeys(const std::vector<std::string>& of_queue, const std::vector<std::string>& of_gateway) {
  Finding finding{.check = "keys", .subject = "token.keys"};
  // While keys are exchanged, one of them may have more.
  const auto knows = [](const std::vector<std::string>& keys, const std::vector<std::string>& who_signs) {
    return who_signs.empty() == keys.empty() &&
           (keys.empty() || std::ranges::find(keys, who_signs.front()) != keys.end());
  };
  if (knows(of_gateway, of_queue) && knows(of_queue, of_gateway)) {
    finding.detail = "queue and gateway know what the other signs with";
    return finding;
  }
  finding.status = Status::kProblem;
  finding.detail = of_queue.empty() || of_gateway.empty()
                       ? fmt::format("{} has none, and the other has", of_queue.empty() ? "queue" : "gateway")
                       : "queue and gateway sign with keys that the other does not have";
  finding.advice =
      "give both the same, in the same order: of every waiting buyer the gateway says 401 "
      "queue_token_signature";
  return finding;
}

Finding JudgeStore(std::string subject, const Error& error, std::string_view migrate) {
  const std::map<std::string_view, std::string> advices{
      {"no_store",
       fmt::format("start the system once, or run `{}`; is this the right --data or --config?", migrate)},
      {"schema_older",
       fmt::format("run `{}` of this version; services may run meanwhile, see its --help", migrate)},
      {"schema_newer", "a newer program has migrated it: use that one, or repeat its upgrade"},
      {"schema_foreign", "the URL of another service's database is configured: correct store.url"},
      {"store_url", "correct store.url in this service's configuration"},
      {"invalid_redis_url", "correct store.url in this service's configuration"},
      {"database_unavailable",
       "start the database, or correct store.url; try its own client (psql, redis-cli) from this machine"},
  };
  const auto advice = advices.find(error.reason);
  return {.check = "store",
          .subject = std::move(subject),
          .status = Status::kProblem,
          .detail = fmt::format("{} ({})", error.detail, error.reason),
          .advice = advice != advices.end() ? advice->second : "see docs/howto, or the log of the service"};
}

std::string MigrateCommand(const PlacesOptions& places) {
  // Own servers: by what their replicas read, as the data folder alone would be taken for one of SQLite
  // files.
  const std::filesystem::path config = places.own_servers ? places.data / "config" : places.config;
  std::string command = "boxoffice migrate";
  if (!config.empty()) command += fmt::format(" --config {}", config.string());
  if (!places.data.empty()) command += fmt::format(" --data {}", places.data.string());
  return command;
}

}  // namespace boxoffice::doctor
