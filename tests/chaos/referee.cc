#include "chaos/referee.h"

#include <algorithm>
#include <set>
#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "chaos/answer.h"
#include "platform/http/client.h"
#include "testing/metrics_text.h"

namespace boxoffice::chaos {
namespace {

using Kind = Operation::Kind;
using Outcome = Operation::Outcome;
using reservation::State;
using std::chrono::seconds;

constexpr seconds kSagasEnd{60};  // what is promised
constexpr seconds kEverybodyReady{60};
constexpr seconds kNewBuyerBuys{60};
constexpr seconds kEventsArrive{60};
constexpr seconds kAuditLimit{300};
constexpr seconds kAnswer{30};  // what a query may need, asked again and again
constexpr milliseconds kLook{250};
constexpr int64_t kPrice = 1'000;
constexpr size_t kMaxTold = 10;  // of one kind of violation

std::string Text(const json::value& value) {
  return value.is_string() ? std::string(value.as_string()) : json::serialize(value);
}
int64_t Number(const json::value& value) { return value.is_number() ? value.to_number<int64_t>() : 0; }
json::array Items(const json::value& page) {
  const json::value& items = At(page, "items");
  return items.is_array() ? items.as_array() : json::array();
}

State ParseState(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(State::kReleased); ++i) {
    if (reservation::StateName(static_cast<State>(i)) == name) return static_cast<State>(i);
  }
  return State::kHeld;
}

}  // namespace

Reply Referee::AskAs(const std::string& token, const Question& question, milliseconds timeout) {
  Reply reply;
  for (const uint16_t gateway : stage_.Gateways()) {
    http::ClientRequest request;
    request.method = question.method;
    request.url = fmt::format("http://127.0.0.1:{}{}", gateway, question.path);
    request.headers = {{"Authorization", "Bearer " + token}};
    if (!question.key.empty()) request.headers.emplace_back("Idempotency-Key", question.key);
    if (!question.queue_token.empty()) request.headers.emplace_back("X-Queue-Token", question.queue_token);
    if (!question.body.empty()) request.headers.emplace_back("Content-Type", "application/json");
    request.body = question.body;
    request.timeout = timeout;
    request.max_response = 64UL << 20;
    auto response = http::FetchBlocking(std::move(request));
    if (!response) continue;
    reply.status = response->status;
    reply.text = std::move(response->body);
    boost::system::error_code error;
    reply.body = json::parse(reply.text, error);
    if (error) reply.body = nullptr;
    if (reply.status < 500) break;
  }
  return reply;
}

Reply Referee::Ask(const std::string& method, const std::string& path, const std::string& body,
                   milliseconds timeout) {
  const auto token = issuer_.Issue("referee", auth::Role::kOperator, std::chrono::hours(1));
  const std::string key = method == "GET" ? "" : fmt::format("referee-{}", ToUnixMs(clock_.Now()));
  return AskAs(token.value(), {method, path, body, key}, timeout);
}

bool Referee::Await(milliseconds limit, const std::function<bool()>& done) {
  const Timestamp until = clock_.Now() + limit;
  while (!done()) {
    if (clock_.Now() >= until || !idle_(kLook)) return false;
  }
  return true;
}

Result<std::string> Referee::MakeShow(uint32_t seats, seconds hold_ttl) {
  Reply reply;
  const auto post = [&](const char* method, const std::string& path, const std::string& body, int status) {
    return Await(kAnswer, [&] {
      reply = Ask(method, path, body);
      return reply.status == status;
    });
  };
  const auto failed = [&reply] {
    return Fail(Code::kUnavailable, "show", fmt::format("{} {}", reply.status, reply.text));
  };
  if (!post("POST", "/v1/admin/concerts", R"({"title":"Chaos","artist":"Boxoffice","venue":"Hall"})", 201))
    return failed();
  const std::string concert = Text(At(reply.body, "id"));
  const std::string show_body = fmt::format(
      R"({{"concert_id":"{}","starts_at":"2099-06-01T19:00:00Z","currency":"KRW","seat_limit":8,"hold_ttl_s":{},)"
      R"("grid":[{{"name":"A","rows":{},"seats_per_row":50,"category":"A"}}],"prices":{{"A":{}}}}})",
      concert, hold_ttl.count(), seats / 50, kPrice);
  if (!post("POST", "/v1/admin/shows", show_body, 201)) return failed();
  std::string show = Text(At(reply.body, "id"));
  if (!post("PATCH", fmt::format("/v1/admin/shows/{}/queue", show),
            R"({"rate_per_s":1000,"active_cap":100000})", 200))
    return failed();
  return show;
}

void Referee::CheckReady(Verdict& verdict) {
  std::string missing;
  const bool ready = Await(kEverybodyReady, [&] {
    for (const Stage::Running& replica : stage_.Replicas()) {
      if (Stage::IsReady(replica)) continue;
      missing = replica.name;
      return false;
    }
    return true;
  });
  if (!ready)
    verdict.violations.push_back(
        fmt::format("liveness: {} is not ready {} s after the faults", missing, kEverybodyReady.count()));
}

void Referee::CheckSagas(Verdict& verdict, Timestamp ended) {
  Reply reply;
  const auto left = [&](const char* status) {
    reply = Ask("GET", fmt::format("/v1/admin/sagas?limit=200&status={}", status));
    return reply.status != 200 || !Items(reply.body).empty();
  };
  const auto rest = std::max(milliseconds(1), kSagasEnd - (clock_.Now() - ended));
  if (!Await(rest, [&] { return !left("running"); })) {
    const json::array sagas = Items(reply.body);
    verdict.violations.push_back(
        fmt::format("liveness: {} sagas are unfinished {} s after the faults' end{}", sagas.size(),
                    kSagasEnd.count(), reply.status == 200 ? "" : ", or nobody answers: " + reply.text));
    for (size_t i = 0; i < std::min(sagas.size(), kMaxTold); ++i)
      verdict.violations.push_back("unfinished: " + json::serialize(sagas[i]));
  }
  verdict.sagas_ended = clock_.Now() - ended;
  if (!Await(kAnswer, [&] { return !left("parked"); }))
    verdict.violations.push_back("parked sagas, or nobody answers: " + reply.text.substr(0, 2'000));
}

void Referee::CheckBuying(Verdict& verdict, const std::string& show) {
  const auto token = issuer_.Issue(ProbeName(show), auth::Role::kBuyer, std::chrono::hours(1));
  const auto problem = TryToBuy(
      show, [&](const Question& question) { return AskAs(token.value(), question, seconds(10)); },
      [&](const std::function<bool()>& done) { return Await(kNewBuyerBuys, done); });
  if (problem)
    verdict.violations.push_back(
        fmt::format("liveness: {} s after the faults {}", kNewBuyerBuys.count(), *problem));
}

void Referee::CheckEvents(Verdict& verdict) {
  Reply reply;
  const bool published = Await(kEventsArrive, [&] {
    reply = Ask("GET", "/v1/admin/outbox");
    const json::array rows = Items(reply.body);
    return rows.size() >= 4 && std::ranges::all_of(rows, [](const json::value& row) {
             return At(row, "pending") == 0 && At(row, "problem").is_null();
           });
  });
  if (!published) verdict.violations.push_back("liveness: events are not published: " + reply.text);
  for (const char* consumer : {"ranking", "relay"}) {
    double lag = 0;
    const bool arrived = Await(kEventsArrive, [&] {
      lag = 0;
      for (const Stage::Running& replica : stage_.ReplicasOf(consumer)) {
        http::ClientRequest request;
        request.url = fmt::format("http://{}/metrics", replica.admin);
        request.timeout = seconds(5);
        request.max_response = 16UL << 20;
        const auto response = http::FetchBlocking(std::move(request));
        const bool told = response && response->status == 200;
        const double sum = told ? testbed::SumOf(response->body, "boxoffice_bus_lag") : -1;
        lag += sum < 0 ? 1 : sum;
      }
      return lag == 0;
    });
    if (!arrived) verdict.violations.push_back(fmt::format("liveness: {} lags by {} events", consumer, lag));
  }
}

void Referee::CheckAudit(Verdict& verdict) {
  Reply reply;
  const bool done = Await(kAuditLimit, [&] {
    reply = Ask("POST", "/v1/admin/audit", "", kAuditLimit);
    const json::value& unread = At(reply.body, "unread");
    return reply.status == 200 && (!unread.is_array() || unread.as_array().empty());
  });
  if (!done) {
    verdict.violations.push_back(fmt::format("the audit was not done: {} {}", reply.status, reply.text));
    return;
  }
  verdict.audited = json::serialize(At(reply.body, "checked"));
  if (At(reply.body, "ok") == true) return;
  const json::value& found = At(reply.body, "violations");
  for (size_t i = 0; found.is_array() && i < std::min(found.as_array().size(), kMaxTold); ++i)
    verdict.violations.push_back("audit: " + json::serialize(found.as_array()[i]));
  if (verdict.violations.empty()) verdict.violations.push_back("audit: " + reply.text.substr(0, 2'000));
}

bool Referee::ReadReservations(const std::string& show, sim::FinalRead& read) {
  std::string cursor;
  do {
    Reply page;
    const std::string path = fmt::format("/v1/admin/reservations?show_id={}&limit=200{}{}", show,
                                         cursor.empty() ? "" : "&cursor=", cursor);
    if (!Await(kAnswer, [&] {
          page = Ask("GET", path);
          return page.status == 200;
        }))
      return false;
    for (const json::value& item : Items(page.body)) {
      const auto id = ReservationId::Parse(Text(At(item, "id")));
      if (!id) return false;
      sim::FinalRead::Row row;
      row.buyer = Text(At(item, "user_id"));
      row.state = ParseState(Text(At(item, "state")));
      row.amount = Number(At(item, "amount"));
      row.fees = Number(At(item, "fees"));
      row.version = static_cast<uint64_t>(Number(At(item, "version")));
      const json::value& seats = At(item, "seats");
      for (size_t i = 0; seats.is_array() && i < seats.as_array().size(); ++i)
        row.seats.push_back(static_cast<uint32_t>(Number(At(seats.as_array()[i], "seat_no"))));
      if (row.state == State::kConfirmed) {
        for (const uint32_t seat : row.seats)
          read.owners[seat] = *id;  // of two, one: and the other has it not
      }
      read.reservations[*id] = std::move(row);
    }
    const json::value& next = At(page.body, "next_cursor");
    cursor = next.is_string() ? std::string(next.as_string()) : "";
  } while (!cursor.empty());
  return true;
}

// Each buyer has one key for money, so that the sum of what came in is what came in by it.
bool Referee::ReadWallets(const std::vector<Operation>& history, sim::FinalRead& read) {
  for (const Operation& op : history) {
    if (op.kind != Kind::kTopUp) continue;
    const auto token = issuer_.Issue(op.buyer, auth::Role::kBuyer, std::chrono::hours(1));
    Reply wallet;
    Reply entries;
    const bool known = Await(kAnswer, [&] {
      wallet = AskAs(token.value(), {"GET", "/v1/wallet"}, seconds(5));
      entries = AskAs(token.value(), {"GET", "/v1/wallet/entries?limit=200"}, seconds(5));
      return wallet.status == 200 && entries.status == 200;
    });
    if (!known) return false;
    for (const json::value& balance :
         At(wallet.body, "balances").is_array() ? At(wallet.body, "balances").as_array() : json::array())
      read.balances[op.buyer] += Number(At(balance, "amount"));
    for (const json::value& entry : Items(entries.body)) {
      if (At(entry, "reservation_id").is_null())
        read.paid_in[op.buyer][op.key] += Number(At(entry, "amount"));
    }
  }
  return true;
}

// Which of the operations that nobody was told of were done after all.
void Referee::Settle(const std::vector<Operation>& history, const sim::FinalRead& read, Verdict& verdict) {
  std::map<std::string, std::set<State>> has;
  for (const auto& [id, row] : read.reservations) has[row.buyer].insert(row.state);
  for (const Operation& op : history) {
    if (op.outcome != Outcome::kUnknown) continue;
    ++verdict.unknowns;
    bool done = false;
    if (op.kind == Kind::kTopUp) {
      const auto paid = read.paid_in.find(op.buyer);
      done = paid != read.paid_in.end() && paid->second.contains(op.key);
    } else if (const auto found = has.find(op.buyer); found != has.end()) {
      const std::set<State>& states = found->second;
      if (op.kind == Kind::kHold) done = true;
      if (op.kind == Kind::kPay || op.kind == Kind::kConfirm) done = states.contains(State::kConfirmed);
      if (op.kind == Kind::kCancel)
        done = states.contains(State::kCancelled) || states.contains(State::kReleased);
    }
    verdict.unknowns_done += done ? 1 : 0;
  }
}

void Referee::CheckHistory(Verdict& verdict, const Crowd& crowd, const std::string& show, milliseconds skew) {
  sim::FinalRead read;
  if (!ReadReservations(show, read) || !ReadWallets(crowd.history(), read)) {
    verdict.violations.push_back("liveness: what is true at the end could not be read");
    return;
  }
  for (const auto& [id, row] : read.reservations) {
    if (row.buyer == ProbeName(show)) continue;
    if (row.state == State::kCancelled) ++verdict.cancelled;
    if (row.state != State::kConfirmed) continue;
    ++verdict.confirmed;
    verdict.seats += row.seats.size();
  }
  Settle(crowd.history(), read, verdict);
  std::vector<std::string> found = sim::CheckHistory(crowd.history(), read, skew);
  if (found.size() > kMaxTold) found.resize(kMaxTold);
  std::ranges::move(found, std::back_inserter(verdict.violations));
}

Verdict Referee::Judge(const Crowd& crowd, const std::string& show, Timestamp ended, milliseconds skew) {
  Verdict verdict;
  CheckSagas(verdict, ended);
  CheckReady(verdict);
  CheckBuying(verdict, show);
  CheckEvents(verdict);
  CheckAudit(verdict);
  CheckHistory(verdict, crowd, show, skew);
  for (const std::string& complaint : crowd.complaints())
    verdict.violations.push_back("a buyer: " + complaint);
  return verdict;
}

}  // namespace boxoffice::chaos
