// A client of one Redis server or of a Redis Cluster: finds the server of each key, sends what goes to
// several servers before it awaits any, follows slots that move, and finds the master that a replica became.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "base/result.h"
#include "platform/redis/address.h"
#include "platform/redis/connection.h"
#include "platform/redis/reply.h"
#include "platform/redis/request.h"
#include "platform/redis/topology.h"

namespace boxoffice::dns {
class Lookup;
}

namespace boxoffice::redis {

struct Options {
  std::chrono::milliseconds connect_timeout{500};      // to look up, connect, log in and be answered
  std::chrono::milliseconds command_timeout{1'000};    // of one RunAll, with all that it retries
  std::chrono::milliseconds refresh_interval{30'000};  // a cluster's map is read again at least so often
};

// Belongs to one thread at a time, and has no thread of its own: it connects, reconnects and reads a
// cluster's map inside of RunAll. Blocks at most the command's time-out, and connect_timeout for each server
// that has to be connected to, of which those that have just failed are left out (Connection).
//
// A server that could not write its append-only file, as when its disk was full, is told to write a new one
// as soon as it can: what Redis 7 takes back of a write that went in by half leaves a hole in the file, and
// its next start would end there.
//
// A single server that answers READONLY or MASTERDOWN has become a replica: the connection is given up, so
// that the next one goes to whoever the name stands for then.
//
// It sends a request again by itself only where Redis says that it has not run it: the slot has moved (MOVED,
// ASK), its keys are just moving (TRYAGAIN), the script is not known there (NOSCRIPT).
class Client {
 public:
  // Does not connect yet. Errors: invalid_redis_url.
  [[nodiscard]] static Result<std::unique_ptr<Client>> Open(std::string_view url,
                                                            const Options& options = {});
  // `lookup` outlives it.
  Client(Target target, const Options& options, dns::Lookup& lookup);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // Runs the requests, which are independent of each other; those of one slot run in their order, unless the
  // slot is just moving, or one calls a script that is not known there yet. A reply for each, in order, none
  // of them an error of Redis. `timeout` takes the place of command_timeout, as for what reads a lot at once.
  // Errors, of each request by itself:
  // - database_unavailable, kUnavailable: it was not run. The server can't be reached, has just failed (of a
  //   cluster whose map nobody gives: the last that was asked), or refused: CLUSTERDOWN, LOADING, READONLY,
  //   TRYAGAIN to the end, MISCONF, OOM, NOREPLICAS, NOAUTH, ….
  // - redis_too_old, kUnavailable: it was not run, as the server, or all of a cluster that could be asked, is
  //   older than 7.0.
  // - database_unavailable, kUnknown: it was sent, and no answer came.
  // - redis_error, kInternal: any other error of Redis, as of a bug in a script.
  [[nodiscard]] std::vector<Result<Reply>> RunAll(
      std::span<const Request> requests, std::optional<std::chrono::milliseconds> timeout = std::nullopt);
  [[nodiscard]] Result<Reply> Run(const Request& request);

 private:
  struct Attempt;
  void RunRound(std::span<const Request> requests, std::vector<Attempt>& attempts,
                std::vector<Result<Reply>>& results, SteadyClock::time_point deadline);
  void Send(std::span<const Request> requests, std::span<Attempt> attempts,
            std::vector<Result<Reply>>& results, SteadyClock::time_point deadline);
  [[nodiscard]] bool Judge(Attempt& attempt, Result<Reply>& answer);
  Connection* Route(const Request& request);
  Connection& ConnectionTo(const Address& address);
  [[nodiscard]] bool IsDoubtful(const Address& server) const;
  void RefreshIfDue(SteadyClock::time_point deadline);
  [[nodiscard]] std::optional<Topology> AskForTopology(SteadyClock::time_point deadline);
  void MendLogs(SteadyClock::time_point deadline);
  [[nodiscard]] static bool IsMended(Connection& server, bool& told, SteadyClock::time_point deadline);

  const Target target_;
  const Options options_;
  dns::Lookup& lookup_;
  SeededRandom random_;
  std::map<Address, std::unique_ptr<Connection>> connections_;
  Topology topology_;                   // of a cluster
  std::set<Address> cut_off_;           // answered CLUSTERDOWN at last: perhaps their map is an old one
  size_t turn_ = 0;                     // of being asked for the map
  bool stale_ = true;                   // the topology is known to be, or to be about to be, another one
  std::optional<Error> no_map_;         // why nobody gave the map at last; nullopt: somebody did
  SteadyClock::time_point refresh_at_;  // earliest while it is stale, latest otherwise
  // Servers that could not write their append-only file, and whether they have been told to write a new one.
  std::map<Address, bool> torn_logs_;
  SteadyClock::time_point mend_at_;
};

}  // namespace boxoffice::redis
