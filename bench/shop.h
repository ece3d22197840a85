// What a scenario needs of the system before it can measure: shows, buyers with money who were admitted, and
// afterwards the audit. All of it through the public REST interface.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>

#include "base/clock.h"
#include "base/result.h"
#include "bench/generator.h"
#include "bench/system_process.h"
#include "platform/auth/token.h"

namespace boxoffice::bench {

struct Buyer {
  std::string jwt;
  std::string queue_token;
  size_t show = 0;  // index of Shop::shows()
};

struct AuditVerdict {
  bool ok = false;
  std::string json;  // as the system gave it
  std::chrono::milliseconds took{0};
};

// The processes of a scaled system, as its folder says them: each an object with service, listen, admin, ….
// Errors: setup_failed.
[[nodiscard]] Result<boost::json::array> ProcessesOf(const std::filesystem::path& data_dir);

// Not thread-safe.
class Shop {
 public:
  // `system` and `load` must outlive it. Errors: as of the development keys.
  [[nodiscard]] static Result<Shop> Open(const SystemProcess& system, HttpLoad& load);

  // Errors of all that follow: setup_failed (detail: the request and the answer).
  // A show on sale with 50,000 seats (50 sections × 20 rows × 50), and its queue as wide open as it goes.
  // Returns its id.
  [[nodiscard]] Result<std::string> CreateShow();
  // Changes the queue of a show: a body of PATCH /v1/admin/shows/{show}/queue.
  [[nodiscard]] Result<void> SetQueue(const std::string& show, const std::string& change);
  // Buyers who have a JWT, and nothing else yet.
  [[nodiscard]] Result<std::vector<Buyer>> NewBuyers(size_t count);
  // Buyers with money who are ACTIVE in their show's queue, `per_show` to each show in turn.
  [[nodiscard]] Result<std::vector<Buyer>> AdmitBuyers(size_t count, size_t per_show);
  [[nodiscard]] const std::vector<std::string>& shows() const { return shows_; }

  // /metrics of all its processes, one after the other.
  [[nodiscard]] Result<std::string> Metrics();
  // Runs the system's own auditor now.
  [[nodiscard]] Result<AuditVerdict> Audit();

  static constexpr int kSeatsPerShow = 50'000;

 private:
  Shop(HttpLoad& load, auth::TokenIssuer issuer, std::unique_ptr<Clock> clock)
      : load_(&load), clock_(std::move(clock)), issuer_(std::move(issuer)) {}
  [[nodiscard]] Result<std::string> Ask(std::string_view method, std::string_view path, std::string_view body,
                                        std::chrono::seconds limit = std::chrono::seconds(60));
  [[nodiscard]] Result<void> PrepareBuyers(std::vector<Buyer>& buyers);
  [[nodiscard]] Result<void> WaitAdmitted(size_t count);

  HttpLoad* load_;
  std::filesystem::path data_dir_;
  std::unique_ptr<Clock> clock_;
  auth::TokenIssuer issuer_;
  std::string operator_jwt_;
  std::optional<std::string> concert_id_;
  std::vector<std::string> shows_;
  int next_key_ = 0;
};

}  // namespace boxoffice::bench
