// What a fresh system shows: concerts in KRW, of which three are on sale now, one is in pre-queue until
// tomorrow, one is sold out, and one is cancelled.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include <grpcpp/channel.h>

#include "base/clock.h"
#include "base/result.h"

namespace boxoffice::demo {

// The shows of the demo, by id; 0: not there.
struct Shows {
  int64_t stadium = 0;    // 50,000 seats
  int64_t hall = 0;       // 2,000
  int64_t club = 0;       // 50
  int64_t prequeue = 0;   // 2,000; whoever joins takes part in the draw
  int64_t sold_out = 0;   // 50, sold to ten fans
  int64_t cancelled = 0;  // 50

  bool operator==(const Shows&) const = default;
};

// The record of the seeding in a data folder: DIR/demo. Reading never fails: what can't be read was not
// written.
struct Record {
  int64_t started_at_ms =
      0;        // when it was first tried: the demo's times count from there, so that a repeat says the same
  Shows shows;  // all set when it is done
  [[nodiscard]] bool done() const;
};
[[nodiscard]] Record ReadRecord(const std::filesystem::path& data_dir);

// Creates concerts, shows and queues, and sells one out, through the services' own RPCs, once for each data
// folder: what has been recorded as done is not touched again, and what was broken off is completed, by
// operation keys. Blocks, about a second the first time. Errors: as the services give them
// (operation_key_reused: shows of the demo are there, and their record was lost); data_folder_unwritable,
// demo_sale_refused.
[[nodiscard]] Result<Shows> Seed(
    const std::filesystem::path& data_dir, const Clock& clock,
    const std::function<std::shared_ptr<grpc::Channel>(std::string_view)>& channels);

}  // namespace boxoffice::demo
