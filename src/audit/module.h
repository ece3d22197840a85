// The auditor as a part of a process: audits again and again in the background, and on demand.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "audit/auditor.h"
#include "audit/invariants.h"
#include "base/clock.h"
#include "base/result.h"
#include "platform/module/module.h"
#include "platform/module/service_module.h"
#include "platform/obs/metrics.h"

namespace boxoffice::audit {

struct AuditConfig {
  // From the start, and from the end of an audit, to the next one; or twenty times as long as the last one
  // worked (Verdict::took without waited) if that is more, so that a large system is not audited all the
  // time, and as long as it worked if it could not read everything, unless it is too large for Limits. 0:
  // only on demand.
  milliseconds every{60'000};
  Bounds bounds;
  Patience patience;
  Limits limits;
  // Modules of this process that must run before; none in a process of its own, where the services are peers.
  std::vector<std::string> depends_on{"queue", "seat", "reservation", "wallet", "payment", "ranking"};
  // How it reaches the services; empty: as the rest of the process does.
  rpc::ChannelFactory channels;
};

// From the end of an audit that came to this, and took so long, to the next one; `every` of AuditConfig.
[[nodiscard]] milliseconds PauseAfter(const Result<Verdict>& verdict, milliseconds took, milliseconds every);

// {"ok":…,"checked":{…},"invariants":[…],"violations":[{"invariant","name","ids","detail"}],
// "unread":[…],"at":"…","took_ms":…}
[[nodiscard]] std::string ToJson(const Verdict& verdict);

// Metrics: boxoffice_audit_violations (of the last verdict), boxoffice_audit_runs_total,
// boxoffice_audit_failures_total (audits without a verdict about everything),
// boxoffice_audit_last_run_timestamp_seconds (of one that had it; 0: none yet),
// boxoffice_audit_start_timestamp_seconds (since when it audits by itself; 0: only on demand),
// boxoffice_audit_duration_seconds. Thread-safe, but for Start, Drain and Stop.
class AuditModule final : public module::Module {
 public:
  AuditModule(const module::Runtime& runtime, AuditConfig config);
  ~AuditModule() override;

  [[nodiscard]] std::string_view name() const override { return "audit"; }
  [[nodiscard]] std::vector<std::string> dependencies() const override { return config_.depends_on; }
  [[nodiscard]] Result<void> Start() override;
  void Drain(milliseconds grace) override;
  void Stop() override;

  // The verdict of the last audit that came to one; nullopt: there is none yet.
  [[nodiscard]] std::optional<Verdict> Last() const;
  // An audit that begins after this was called; blocks until it ends, and while another runs before it (at
  // full speed then). Whoever waits for the same other one shares the next. Errors: as Auditor::Run;
  // not_running.
  [[nodiscard]] Result<Verdict> RunNow();
  // Calls of RunNow that have not returned.
  [[nodiscard]] int waiting() const;

  // The same as JSON, for the gateway: "" if there is none yet.
  [[nodiscard]] std::string LastJson() const;
  [[nodiscard]] Result<std::string> RunNowJson();

 private:
  // An audit that has not begun, or its verdict for all that wait for it.
  using Next = std::optional<Result<Verdict>>;

  void Loop();
  Result<Verdict> RunOne(bool is_waited_for);
  Result<Verdict> Audit(Auditor* auditor);  // null: it does not run
  obs::Gauge& ViolationsOf(Invariant invariant);
  bool WaitFor(milliseconds how_long);  // false: stopping
  bool Pace();

  const rpc::ChannelFactory channels_;
  bus::Bus& bus_;
  const Clock& clock_;
  obs::Registry& metrics_;
  const AuditConfig config_;
  obs::Gauge& violations_;
  obs::Counter& runs_;
  obs::Counter& failures_;
  obs::Gauge& last_run_;
  obs::Gauge& start_;
  obs::Gauge& duration_;

  std::chrono::steady_clock::time_point page_began_;  // of whoever set auditing_

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = true;
  std::unique_ptr<Auditor> auditor_;  // null: it does not run; its Run is called by whoever set auditing_
  bool auditing_ = false;
  std::shared_ptr<Next> next_;  // null: nobody waits for it
  int hurried_ = 0;             // callers that wait
  std::optional<Verdict> last_;
  std::thread thread_;
};

}  // namespace boxoffice::audit
