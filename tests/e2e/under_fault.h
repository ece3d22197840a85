// The scaled system under load while a part of it is frozen or killed: what buyers are answered meanwhile,
// and that everything catches up afterwards.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "e2e/load.h"
#include "e2e/parts.h"
#include "e2e/system.h"

namespace boxoffice::e2e {

enum class Fault : uint8_t { kFrozen, kKilled };  // SIGSTOP for 20 s; kill -9, and started again

// What somebody was answered.
struct Heard {
  Reply reply;
  milliseconds took{0};
};
using Answers = std::map<std::string, std::vector<Heard>, std::less<>>;  // by route

class UnderFault : public ::testing::TestWithParam<Fault> {
 public:
  UnderFault();
  ~UnderFault() override;
  static std::string NameOf(const ::testing::TestParamInfo<Fault>& info);

 protected:
  // What a buyer does without end, the same way each time; nullopt: there is nobody left to do it.
  using Probe = std::function<std::optional<Reply>()>;

  // One system for the tests of a suite: its start takes longer than most of them.
  static void SetUpTestSuite();
  static void TearDownTestSuite();
  // Buyers who have come so far before anything happens, and the load.
  void SetUp() override;
  void TearDown() override;

  [[nodiscard]] static bool IsFrozen() { return GetParam() == Fault::kFrozen; }
  // Does it to all the parts of these names, and asks on every route meanwhile: for 20 s, or, where they are
  // killed, for 3 s and until all have been started again.
  Answers AskWhile(const std::vector<std::string>& down);
  // The same for parts that are given; all ask this gateway. Without one, the load asks all of them.
  Answers AskWhile(const std::vector<Part>& down, std::optional<uint16_t> gateway = std::nullopt);

  // Every answer on these routes has a status of `expected`, and none came later than it may.
  static void ExpectGoOn(const Answers& answers, const std::vector<std::string>& routes);
  // The same on all routes.
  static void ExpectAllGoOn(const Answers& answers);
  // Answers there are the ones that say so: 503, and 202 where a saga has begun; or that it was done, where
  // what is down came back. At least one says so.
  static void ExpectWait(const Answers& answers, const std::vector<std::string>& routes);
  // A buyer who comes now gets a seat, each step within 30 s; the load ends; then within a minute or two no
  // saga runs, all events have reached whom they are for, all that was in doubt is answered, nothing that was
  // acknowledged is lost, and the audit is clean.
  void ExpectCatchesUp();

  static std::unique_ptr<System> system_;
  static std::string show_;
  static int tests_;
  std::unique_ptr<Load> load_;

 private:
  struct Crowd;
  static void ExpectServesAgain();
  [[nodiscard]] std::map<std::string, Probe> Probes(uint16_t gateway);
  std::unique_ptr<Crowd> crowd_;
};

}  // namespace boxoffice::e2e
