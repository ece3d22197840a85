// What `boxoffice doctor` finds wrong with a system, and what to do about each: configuration, stores and
// their schemas, the bus, clocks, disks, certificates, keys, replicas, and what operators should not leave
// lying.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "boxoffice/api_client.h"
#include "boxoffice/places.h"

namespace boxoffice::doctor {

enum class Status { kOk, kSkipped, kWarning, kProblem };

struct Finding {
  std::string check;    // "store"
  std::string subject;  // "seat"
  Status status = Status::kOk;
  std::string detail;
  std::string advice;  // what to do; empty where all is well
};

[[nodiscard]] std::string_view StatusName(Status status);  // "ok", "skipped", "warning", "problem"

struct Options {
  PlacesOptions places;
  // Nobody said where its configuration is: `places.data` is where it would be if the system were here.
  bool places_assumed = false;
  cli::ApiOptions api;  // its url is given, as GatewayUrl has it
  std::string version;  // of this program
};

// Looks at everything; reads only. What can't be looked at is a finding too. Takes seconds where servers
// don't answer.
[[nodiscard]] std::vector<Finding> Examine(const Options& options);

// The judgements, each of one thing.

// A configuration that could not be read. `assumed`: nobody said that it is here.
[[nodiscard]] Finding JudgeConfiguration(const Error& error, bool assumed);
// The difference of a clock from this machine's: tokens and holds bear some.
[[nodiscard]] Finding JudgeClock(std::string subject, std::chrono::milliseconds ahead);
[[nodiscard]] Finding JudgeDisk(const std::filesystem::path& folder, uint64_t free_bytes, uint64_t all_bytes);
// `left` until a certificate ends.
[[nodiscard]] Finding JudgeCertificate(std::string subject, const std::filesystem::path& file,
                                       std::chrono::seconds left);
// Where a caller's ways to a service's replicas lead: how many it reaches, and the addresses of the others,
// of which there is one at least.
[[nodiscard]] Finding JudgeReachability(std::string_view client, std::string_view service, size_t reached,
                                        const std::vector<std::string>& unreached);
// Of a process that runs and does not answer. `state` is what /proc says of it, as "T (stopped)".
[[nodiscard]] Finding JudgeSilence(std::string subject, int64_t pid, std::string_view state,
                                   std::string_view log);
// `found`: of a process that answers, empty where it tells none.
[[nodiscard]] Finding JudgeVersion(std::string subject, std::string_view found, std::string_view own);
// What the queue signs its tokens with, and what the gateways verify them by: "ID=SECRET", the first signs.
// None of a secret is shown.
[[nodiscard]] Finding JudgeTokenKeys(const std::vector<std::string>& of_queue,
                                     const std::vector<std::string>& of_gateway);
// A store that could not be opened, or has another schema. `migrate`: see MigrateCommand.
[[nodiscard]] Finding JudgeStore(std::string subject, const Error& error, std::string_view migrate);
// How the stores and topics of this system are brought up to date.
[[nodiscard]] std::string MigrateCommand(const PlacesOptions& places);

}  // namespace boxoffice::doctor
