#include "platform/redis/client.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <poll.h>

#include "base/check.h"
#include "platform/dns/lookup.h"
#include "platform/obs/log.h"
#include "platform/redis/slot.h"

namespace boxoffice::redis {
namespace {

using std::chrono::milliseconds;

constexpr int kMaxRedirections = 8;
// While a map is stale: so often at most, because a failover takes seconds.
constexpr milliseconds kRefreshPause{100};
constexpr milliseconds kTryAgainPause{10};
constexpr milliseconds kMendPause{100};
constexpr std::string_view kLogFailed = "MISCONF Errors writing to the AOF";

// Redis refused to run it, for now or until an operator has done something.
constexpr std::array<std::string_view, 13> kRefusals = {
    "BUSY",       "CLUSTERDOWN", "LOADING", "MASTERDOWN", "MISCONF",  "NOAUTH",   "NOPERM",
    "NOREPLICAS", "NOSCRIPT",    "OOM",     "READONLY",   "TRYAGAIN", "WRONGPASS"};

// Of one that was a master, after a failover.
bool IsOfReplica(std::string_view error) {
  return error.starts_with("READONLY") || error.starts_with("MASTERDOWN");
}

Error ErrorOf(std::string_view text, const Address& from) {
  const std::string_view kind = text.substr(0, text.find(' '));
  std::string detail = fmt::format("{}: {}", from.ToString(), text);
  if (std::ranges::find(kRefusals, kind) != kRefusals.end()) {
    return {Code::kUnavailable, "database_unavailable", std::move(detail)};
  }
  if (kind == "MOVED" || kind == "ASK") {
    detail += " (a node of a cluster: its URL begins with redis+cluster://)";
    return {Code::kUnavailable, "database_unavailable", std::move(detail)};
  }
  return {Code::kInternal, "redis_error", std::move(detail)};
}

}  // namespace

// A request on its way: where it goes next, and how.
struct Client::Attempt {
  size_t request = 0;  // its place among the requests
  Connection* connection = nullptr;
  std::optional<Address> redirected;
  bool asking = false;
  bool with_text = false;  // of the script, because that server does not know it
  bool again = false;      // after a pause
  int redirections = 0;
};

Result<std::unique_ptr<Client>> Client::Open(std::string_view url, const Options& options) {
  BOXOFFICE_ASSIGN(Target target, ParseUrl(url));
  return std::make_unique<Client>(std::move(target), options, dns::Lookup::OfProcess());
}

Client::Client(Target target, const Options& options, dns::Lookup& lookup)
    : target_(std::move(target)), options_(options), lookup_(lookup), random_(SystemSeed()) {}
Client::~Client() = default;

Result<Reply> Client::Run(const Request& request) { return std::move(RunAll({&request, 1}).front()); }

std::vector<Result<Reply>> Client::RunAll(std::span<const Request> requests,
                                          std::optional<std::chrono::milliseconds> timeout) {
  const auto deadline = SteadyClock::now() + timeout.value_or(options_.command_timeout);
  RefreshIfDue(deadline);
  std::vector<Result<Reply>> results;
  results.reserve(requests.size());
  std::vector<Attempt> attempts;
  attempts.reserve(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    results.emplace_back(DatabaseUnavailable(Code::kUnavailable, "the time was over before it was sent"));
    attempts.push_back({.request = i});
  }
  while (!attempts.empty() && SteadyClock::now() < deadline) {
    RunRound(requests, attempts, results, deadline);
    // Keys that are moving one by one are together again in a moment.
    if (std::ranges::any_of(attempts, &Attempt::again)) {
      poll(nullptr, 0, static_cast<int>(kTryAgainPause.count()));
    }
  }
  if (!torn_logs_.empty()) [[unlikely]]
    MendLogs(deadline);
  return results;
}

// Leaves in `attempts` those that have to be sent again.
void Client::RunRound(std::span<const Request> requests, std::vector<Attempt>& attempts,
                      std::vector<Result<Reply>>& results, SteadyClock::time_point deadline) {
  std::vector<Attempt> sendable;
  sendable.reserve(attempts.size());
  std::map<Connection*, Result<void>> opened;
  for (Attempt& attempt : attempts) {
    Connection* connection =
        attempt.redirected ? &ConnectionTo(*attempt.redirected) : Route(requests[attempt.request]);
    if (connection == nullptr) {
      results[attempt.request] =
          no_map_ ? std::unexpected(*no_map_)
                  : DatabaseUnavailable(Code::kUnavailable, "no server is known to own the key's slot");
      stale_ = true;
      continue;
    }
    auto open = opened.find(connection);
    if (open == opened.end()) open = opened.emplace(connection, connection->Open()).first;
    if (open->second) {
      attempt.connection = connection;
      sendable.push_back(std::move(attempt));
    } else {
      results[attempt.request] = std::unexpected(open->second.error());
      stale_ = true;  // perhaps a replica has taken its place
    }
  }
  attempts = std::move(sendable);
  Send(requests, attempts, results, deadline);
  std::erase_if(attempts, [&](Attempt& attempt) { return !Judge(attempt, results[attempt.request]); });
}

// Sends all, then awaits all; the answers are put into `results` as they came.
void Client::Send(std::span<const Request> requests, std::span<Attempt> attempts,
                  std::vector<Result<Reply>>& results, SteadyClock::time_point deadline) {
  constexpr size_t kAsking = SIZE_MAX;
  std::map<Connection*, std::vector<size_t>> sent;  // for each answer to come its request, or kAsking
  std::vector<std::string_view> words;
  for (const Attempt& attempt : attempts) {
    const Request& request = requests[attempt.request];
    std::vector<size_t>& to = sent[attempt.connection];
    if (attempt.asking) {
      attempt.connection->Add(std::array<std::string_view, 1>{"ASKING"});
      to.push_back(kAsking);
    }
    words.clear();
    if (request.script != nullptr) {
      words.emplace_back(attempt.with_text ? "EVAL" : "EVALSHA");
      words.emplace_back(attempt.with_text ? request.script->text() : request.script->sha());
    }
    words.insert(words.end(), request.words.begin(), request.words.end());
    attempt.connection->Add(words);
    to.push_back(attempt.request);
  }
  std::vector<Connection*> connections;
  for (const auto& [connection, unused] : sent) connections.push_back(connection);
  Connection::Exchange(connections, deadline);
  for (auto& [connection, to] : sent) {
    std::vector<Result<Reply>> answers = connection->Take();
    for (size_t i = 0; i < answers.size(); ++i) {
      if (to[i] != kAsking) results[to[i]] = std::move(answers[i]);
    }
    if (!connection->is_open()) {
      obs::Log(obs::Level::kWarning, "redis_connection_lost", {{"server", connection->address().ToString()}});
    }
  }
}

// Whether it has to be sent again. If not, `answer` is what the caller gets.
bool Client::Judge(Attempt& attempt, Result<Reply>& answer) {
  attempt.again = false;
  if (!answer) return false;
  const Address& from = attempt.connection->address();
  const bool is_cut_off = answer->IsError() && answer->value().Text().starts_with("CLUSTERDOWN");
  if (is_cut_off) {
    cut_off_.insert(from);
  } else {
    cut_off_.erase(from);
  }
  if (!answer->IsError()) return false;
  const std::string text(answer->value().Text());
  answer = std::unexpected(ErrorOf(text, from));
  if (text.starts_with(kLogFailed)) torn_logs_[from] = false;
  if (text.starts_with("NOSCRIPT") && !attempt.with_text) {
    attempt.with_text = true;
    return true;
  }
  if (!target_.cluster) {
    if (IsOfReplica(text) && attempt.connection->is_open()) {
      obs::Log(obs::Level::kWarning, "redis_replica_left", {{"server", from.ToString()}, {"detail", text}});
      attempt.connection->Lose(text);
    }
    return false;
  }
  attempt.again = text.starts_with("TRYAGAIN");
  if (attempt.again) return true;
  if (const auto redirection = ReadRedirection(text, from)) {
    attempt.redirected = redirection->to;
    attempt.asking = redirection->ask;
    attempt.with_text = false;
    if (!redirection->ask) {
      topology_.Move(redirection->slot, redirection->to);
      stale_ = true;  // one slot has moved: others have, too, or will
    }
    return ++attempt.redirections <= kMaxRedirections;
  }
  if (is_cut_off || text.starts_with("READONLY")) stale_ = true;
  return false;
}

Connection* Client::Route(const Request& request) {
  if (!target_.cluster) return &ConnectionTo(target_.servers.front());
  const Address* owner = topology_.OwnerOf(SlotOf(request.key()));
  return owner != nullptr ? &ConnectionTo(*owner) : nullptr;
}

Connection& Client::ConnectionTo(const Address& address) {
  std::unique_ptr<Connection>& connection = connections_[address];
  if (connection == nullptr) {
    connection = std::make_unique<Connection>(address, Connection::Login{target_.user, target_.password},
                                              options_.connect_timeout, random_, lookup_);
  }
  return *connection;
}

void Client::RefreshIfDue(SteadyClock::time_point deadline) {
  const auto now = SteadyClock::now();
  if (!target_.cluster || now < (stale_ ? refresh_at_ : refresh_at_ + options_.refresh_interval)) return;
  std::optional<Topology> read = AskForTopology(deadline);
  refresh_at_ = SteadyClock::now() + kRefreshPause;
  if (!read) return;
  stale_ = false;
  if (*read == topology_) return;
  topology_ = *std::move(read);
  obs::Log(obs::Level::kInfo, "redis_cluster_map", {{"servers", topology_.servers.size()}});
  // Servers that have gone: nothing will be sent to them any longer.
  const auto has_gone = [&](const Address& server) {
    return !std::ranges::binary_search(topology_.servers, server) &&
           std::ranges::find(target_.servers, server) == target_.servers.end();
  };
  std::erase_if(connections_, [&](const auto& entry) { return has_gone(entry.first); });
  std::erase_if(cut_off_, has_gone);
  // Nor is anything to be mended there: looking would cost a time-out now and then, for good.
  std::erase_if(torn_logs_, [&](const auto& entry) { return has_gone(entry.first); });
}

// Whether its map may be an old one, or it costs a time-out.
bool Client::IsDoubtful(const Address& server) const {
  const auto connection = connections_.find(server);
  return cut_off_.contains(server) || (connection != connections_.end() && connection->second->has_failed());
}

// Of whoever answers first. A server that is cut off from the others does not know that it is for a while,
// and keeps its old map: so another one is the first each time.
std::optional<Topology> Client::AskForTopology(SteadyClock::time_point deadline) {
  no_map_.reset();
  // Who is too old stays so, and the others may just be starting. What the map was asked for was not sent.
  const auto note = [this](std::string_view reason, std::string detail) {
    if (!no_map_ || no_map_->reason != kTooOld)
      no_map_ = Error{Code::kUnavailable, std::string(reason), std::move(detail)};
  };
  for (const Address& server : AskingOrder(topology_.servers, target_.servers, turn_++,
                                           [this](const Address& one) { return IsDoubtful(one); })) {
    if (SteadyClock::now() >= deadline) break;
    Connection* const connection = &ConnectionTo(server);
    if (const Result<void> opened = connection->Open(); !opened) {
      note(opened.error().reason, opened.error().detail);
      continue;
    }
    connection->Add(std::array<std::string_view, 2>{"CLUSTER", "SLOTS"});
    Connection::Exchange({&connection, 1}, std::min(deadline, SteadyClock::now() + options_.connect_timeout));
    const Result<Reply> answer = std::move(connection->Take().front());
    if (!answer) {
      note(answer.error().reason, answer.error().detail);
      continue;
    }
    Topology topology = ReadTopology(answer->value(), connection->address());
    if (!topology.servers.empty()) {
      no_map_.reset();
      return topology;
    }
    obs::Log(obs::Level::kWarning, "redis_cluster_map_refused",
             {{"server", connection->address().ToString()}, {"detail", answer->value().Text()}});
    note("database_unavailable", fmt::format("{}: it has no map of a cluster: {}",
                                             connection->address().ToString(), answer->value().Text()));
  }
  return std::nullopt;
}

void Client::MendLogs(SteadyClock::time_point deadline) {
  if (SteadyClock::now() < mend_at_) return;
  mend_at_ = SteadyClock::now() + kMendPause;
  for (auto log = torn_logs_.begin(); log != torn_logs_.end();) {
    log = IsMended(ConnectionTo(log->first), log->second, deadline) ? torn_logs_.erase(log) : std::next(log);
  }
}

// Whether there is nothing more to do about the append-only file of this server. It is told to write a new
// one when it writes again, once more if that came to nothing, and not if it does not take that from us.
bool Client::IsMended(Connection& server, bool& told, SteadyClock::time_point deadline) {
  if (!server.Open()) return false;
  const auto ask = [&](std::span<const std::string_view> words) {
    Connection* const one = &server;
    server.Add(words);
    Connection::Exchange({&one, 1}, deadline);
    const Result<Reply> answer = std::move(server.Take().front());
    return answer ? std::string(answer->value().Text()) : std::string();
  };
  const std::string state = ask(std::array<std::string_view, 2>{"INFO", "persistence"});
  if (!state.contains("aof_last_write_status:ok") || !state.contains("aof_rewrite_in_progress:0"))
    return false;
  if (told && state.contains("aof_last_bgrewrite_status:ok")) return true;
  if (!server.Open()) return false;
  const std::string answer = ask(std::array<std::string_view, 1>{"BGREWRITEAOF"});
  told = answer.starts_with("Background");
  obs::Log(obs::Level::kWarning, "redis_log_rewritten",
           {{"server", server.address().ToString()}, {"answer", answer}});
  return !told && !answer.empty();
}

}  // namespace boxoffice::redis
