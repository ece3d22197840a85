// What the routes share. Each thread of a gateway's has an edge of its own, so next to nothing is locked.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "base/clock.h"
#include "gateway/backends.h"
#include "gateway/concert_pages.h"
#include "gateway/elsewhere.h"
#include "gateway/gate.h"
#include "gateway/rankings.h"
#include "gateway/seat_maps.h"
#include "gateway/sessions.h"
#include "gateway/sign_in.h"
#include "gateway/waiting_room.h"
#include "gateway/web_files.h"
#include "platform/auth/signed_token.h"
#include "platform/bus/bus.h"
#include "platform/module/module.h"
#include "platform/obs/metrics.h"

namespace boxoffice::gateway {

// What only the process knows; each function may be empty, and is called on a thread of the gateway's.
struct ProcessViews {
  // Of all modules. Thread-safe and quick. Empty: always ready.
  std::function<std::vector<module::Health>()> health;
  // The auditor's last verdict and a new one, as JSON ({"ok","checked","violations"}). Last: quick; "" if
  // there is none. A new one takes as long as the auditor does, which calls `told` once, on any thread.
  std::function<std::string()> last_audit;
  std::function<void(std::function<void(Result<std::string>)> told)> run_audit;
  // Monitoring has an address of its own, so /metrics is not among the routes here.
  bool has_admin_port = false;
};

struct Edge {
  const Clock& clock;
  obs::Registry& metrics;
  bus::Bus& bus;
  const auth::KeyRing& queue_keys;
  const ProcessViews& views;
  Backends& backends;
  WaitingRoom& waiting_room;
  SeatMaps& seat_maps;
  ConcertPages& concert_pages;
  Rankings& rankings;
  const Sessions& sessions;
  const WebFiles& web;
  CallerLimits& limits;
  rpc::WorkerPool& blocking;    // for what waits, as long as it may take; nothing that buyers ask for
  rpc::WorkerPool& monitoring;  // for what is known here and told at once, whatever waits
  std::unordered_set<int64_t> known_shows;
  SignIn* sign_in = nullptr;  // null: no identity provider to sign in at
  bool self_service = true;   // buyers top up their wallets by themselves

  // Whether the show is known to exist; shows don't go away, so each is asked for once.
  [[nodiscard]] bool KnowsShow(int64_t show_id) const { return known_shows.contains(show_id); }
  // Whether it exists, for buyers, or for operators, who see drafts as well. Errors: show_not_found, and the
  // call's.
  asio::awaitable<Result<void>> RequireShow(int64_t show_id, const http::Request& request,
                                            bool drafts = false);
  // What the queue service says of the place that the request's X-Queue-Token names, which was verified. It
  // counts as presence there, and costs no durable write. Errors: the call's.
  asio::awaitable<Result<queue::v1::Session>> PollQueue(const http::Request& request,
                                                        const std::string& user);

  // Runs `work` (which returns a value) on a thread that may block, and resumes on the edge's.
  template <typename Work>
  auto RunBlocking(const Work& work) {
    return RunElsewhere(blocking, backends.executor(), work);
  }
  // The same for what never waits, behind nothing that does.
  template <typename Work>
  auto RunMonitoring(const Work& work) {
    return RunElsewhere(monitoring, backends.executor(), work);
  }
};

}  // namespace boxoffice::gateway
