// A consumer of events: the ranking's core, of which each replica counts for the one ranking that all share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "services/ranking/service.h"
#include "sim/process.h"

namespace boxoffice::sim {

struct RankingDb {
  ranking::State state;
  std::set<EventId> counted;
  int64_t version = 0;
  size_t place = 0;  // of the group, in the bus's log
};

class RankingProcess final : public Process {
 public:
  RankingProcess(Ground& ground, std::string name, milliseconds skew, RankingDb& db);
  ~RankingProcess() override;

 private:
  void Consume();

  RankingDb& db_;
  std::unique_ptr<ranking::RankingService> service_;
};

}  // namespace boxoffice::sim
