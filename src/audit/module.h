// The auditor as a part of a process: audits again and again in the background, and on demand.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
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
  // The same as JSON, for the gateway: "" if there is none yet.
  [[nodiscard]] std::string LastJson() const;

  // Called once, on the thread that audits, which must not be kept; on the caller's where nothing audits.
  using Told = std::function<void(const Result<Verdict>&)>;
  // Asks for an audit that begins after this was called, and returns at once. While another runs before it,
  // that goes on at full speed, too; whoever asks meanwhile shares the next. Errors: as Auditor::Run;
  // not_running. How many may wait is for those to limit who ask: the gateway has so many connections.
  void RunNow(Told told);
  // The same, and blocks until it ends.
  [[nodiscard]] Result<Verdict> RunNow();
  // Who has asked by RunNow and was not told yet.
  [[nodiscard]] int waiting() const;

 private:
  void Loop();  // runs one audit after another; nothing else runs any
  // Who asks for the audit that is to begin; nobody: it is time for one. nullopt: stopping.
  std::optional<std::vector<Told>> AwaitNext(milliseconds pause);
  void Tell(const std::vector<Told>& asked, const Result<Verdict>& verdict);
  Result<Verdict> AuditInBackground();
  Result<Verdict> Audit();
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

  std::unique_ptr<Auditor> auditor_;                  // null: it does not run
  std::chrono::steady_clock::time_point page_began_;  // of the audit that runs

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = true;
  std::vector<Told> asked_;  // for the next audit
  int hurried_ = 0;          // who was not told yet, of the audit that runs or the next
  std::optional<Verdict> last_;
  std::thread thread_;
};

}  // namespace boxoffice::audit
