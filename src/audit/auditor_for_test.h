// The services as a test tells what they know, and an auditor over them.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>

#include "audit/auditor.h"
#include "boxoffice/bus/v1/events.pb.h"
#include "platform/module/module.h"
#include "platform/module/service_module.h"
#include "testing/fake_bus.h"
#include "testing/fake_call.h"

namespace boxoffice::audit {

inline constexpr Timestamp kStart = FromUnixMs(1'800'000'000'000);

// What the services know; each fake answers from here.
struct World {
  std::mutex mutex;
  std::map<std::string, reservation::v1::Reservation> reservations;
  std::map<std::string, wallet::v1::AuditResponse::Row> debits;
  std::multimap<std::string, payment::v1::Payment> payments;
  std::map<std::pair<int64_t, uint32_t>, seat::v1::AuditResponse::Row> seats;
  std::map<int64_t, seat::v1::Show> shows;
  std::map<std::pair<int64_t, uint64_t>, reservation::v1::WaitlistEntry> places;  // by show and place
  wallet::v1::GetTotalsResponse totals;
  queue::v1::ListQueuesResponse queues;
  ranking::v1::AuditResponse ranking;
  std::vector<bus::Record> log;
  size_t page = 2;                   // rows a page, whatever is asked for
  std::function<void()> on_reading;  // before a reservation is read by its id; under the mutex
};

template <typename Rows, typename Add>
bool FillPage(const Rows& rows, const std::string& after, size_t limit, Add add) {
  size_t count = 0;
  for (auto it = after.empty() ? rows.begin() : rows.upper_bound(after); it != rows.end();) {
    if (count >= limit) return true;
    const auto next = rows.upper_bound(it->first);
    for (; it != next; ++it, ++count) add(it->second);
  }
  return false;
}

struct FakeReservations final : reservation::v1::ReservationService::CallbackService {
  BOXOFFICE_FAKE(Audit, reservation::v1, AuditRequest, ListReservationsResponse)
  BOXOFFICE_FAKE(ListWaitlist, reservation::v1, ListWaitlistRequest, ListWaitlistResponse)
  BOXOFFICE_FAKE(GetShowCancellation, reservation::v1, GetShowCancellationRequest, ShowCancellation)
};
struct FakeWallet final : wallet::v1::WalletService::CallbackService {
  BOXOFFICE_FAKE(Audit, wallet::v1, AuditRequest, AuditResponse)

  testbed::FakeCall<wallet::v1::GetTotalsRequest, wallet::v1::GetTotalsResponse> GetTotals_;
  std::atomic<bool> sums_take_long{false};                // they come to nobody who does not give up
  std::chrono::system_clock::time_point sums_awaited_to;  // by the last who asked for them
  grpc::ServerUnaryReactor* GetTotals(grpc::CallbackServerContext* context,
                                      const wallet::v1::GetTotalsRequest* request,
                                      wallet::v1::GetTotalsResponse* response) override {
    sums_awaited_to = context->deadline();
    if (!sums_take_long) return GetTotals_(context, request, response);
    ++GetTotals_.calls;
    return new Unanswered;
  }

 private:
  class Unanswered final : public grpc::ServerUnaryReactor {
    void OnCancel() override { Finish(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }
  };
};
struct FakePayments final : payment::v1::PaymentService::CallbackService {
  BOXOFFICE_FAKE(Audit, payment::v1, AuditRequest, AuditResponse)
};
struct FakeSeats final : seat::v1::SeatService::CallbackService {
  BOXOFFICE_FAKE(Audit, seat::v1, AuditRequest, AuditResponse)
  BOXOFFICE_FAKE(ListConcerts, seat::v1, ListConcertsRequest, ListConcertsResponse)
};
struct FakeQueue final : queue::v1::QueueService::CallbackService {
  BOXOFFICE_FAKE(ListQueues, queue::v1, ListQueuesRequest, ListQueuesResponse)
};
struct FakeRanking final : ranking::v1::RankingService::CallbackService {
  BOXOFFICE_FAKE(Audit, ranking::v1, AuditRequest, AuditResponse)
};

// What each service answers; called with the world's mutex held.
inline void Answer(World& world, const reservation::v1::AuditRequest& request,
                   reservation::v1::ListReservationsResponse& response) {
  if (!request.id().empty()) {
    if (world.on_reading) world.on_reading();
    const auto found = world.reservations.find(request.id());
    if (found != world.reservations.end()) *response.add_reservations() = found->second;
  } else {
    response.set_more(FillPage(world.reservations, request.after_id(), world.page,
                               [&](const auto& row) { *response.add_reservations() = row; }));
  }
}
inline void Answer(World& world, const reservation::v1::ListWaitlistRequest& request,
                   reservation::v1::ListWaitlistResponse& response) {
  const size_t limit = std::min<size_t>(request.limit(), world.page);
  for (auto it = world.places.upper_bound({request.show_id(), request.after_place()});
       it != world.places.end() && it->first.first == request.show_id() && !response.more(); ++it) {
    if (!request.user_id().empty() && it->second.user_id() != request.user_id()) continue;
    response.set_more(static_cast<size_t>(response.entries_size()) == limit);
    if (!response.more()) *response.add_entries() = it->second;
  }
}
inline void Answer(World& world, const wallet::v1::AuditRequest& request,
                   wallet::v1::AuditResponse& response) {
  if (!request.reservation_id().empty()) {
    const auto found = world.debits.find(request.reservation_id());
    if (found != world.debits.end()) *response.add_rows() = found->second;
  } else {
    response.set_more(FillPage(world.debits, request.after_reservation_id(), world.page + 1,
                               [&](const auto& row) { *response.add_rows() = row; }));
  }
}
inline void Answer(World& world, const wallet::v1::GetTotalsRequest&,
                   wallet::v1::GetTotalsResponse& response) {
  response = world.totals;
}
inline void Answer(World& world, const payment::v1::AuditRequest& request,
                   payment::v1::AuditResponse& response) {
  if (!request.reservation_id().empty()) {
    const auto [first, last] = world.payments.equal_range(request.reservation_id());
    for (auto it = first; it != last; ++it) *response.add_payments() = it->second;
  } else {
    response.set_more(FillPage(world.payments, request.after_reservation_id(), 1,
                               [&](const auto& row) { *response.add_payments() = row; }));
  }
}
inline void Answer(World& world, const seat::v1::AuditRequest& request, seat::v1::AuditResponse& response) {
  const size_t limit = std::min<size_t>(request.limit(), world.page);
  for (auto it = world.seats.upper_bound({request.show_id(), request.after_seat_no()});
       it != world.seats.end() && it->first.first == request.show_id(); ++it) {
    if (static_cast<size_t>(response.rows_size()) == limit) {
      response.set_more(true);
      break;
    }
    *response.add_rows() = it->second;
  }
  *response.add_shows() = world.shows[request.show_id()];
}
inline void Answer(World& world, const seat::v1::ListConcertsRequest&,
                   seat::v1::ListConcertsResponse& response) {
  auto* concert = response.add_concerts();
  for (const auto& [id, show] : world.shows) *concert->add_shows() = show;
}
inline void Answer(World& world, const queue::v1::ListQueuesRequest&,
                   queue::v1::ListQueuesResponse& response) {
  response = world.queues;
}
inline void Answer(World& world, const ranking::v1::AuditRequest&, ranking::v1::AuditResponse& response) {
  response = world.ranking;
}

// Lets the RPC answer from the world.
template <typename Request, typename Response>
void AnswerFrom(World& world, testbed::FakeCall<Request, Response>& call) {
  call.answer = [&world](const Request& request) -> Result<Response> {
    const std::scoped_lock lock(world.mutex);
    Response response;
    Answer(world, request, response);
    return response;
  };
}

class FakeBus final : public testbed::FakeBus {
 public:
  explicit FakeBus(World& world) : world_(world) {}
  // A position is a letter for every record of the log that lies behind it.
  Result<bus::Page> Read(const std::string& topic, const bus::Position& after, size_t limit) override {
    const std::scoped_lock lock(world_.mutex);
    ++reads;
    bus::Page page{{}, after};
    for (size_t i = after.size(); i < world_.log.size() && page.records.size() < limit; ++i) {
      if (world_.log[i].event.topic != topic) continue;
      page.records.push_back(world_.log[i]);
      page.next = bus::Position(i + 1, 'x');
    }
    return page;
  }

  int reads = 0;

 private:
  World& world_;
};

class AuditorTest : public ::testing::Test {
 protected:
  AuditorTest() {
    AnswerFrom(world_, reservations_.Audit_);
    AnswerFrom(world_, reservations_.ListWaitlist_);
    AnswerFrom(world_, wallet_.Audit_);
    AnswerFrom(world_, wallet_.GetTotals_);
    AnswerFrom(world_, payments_.Audit_);
    AnswerFrom(world_, seats_.Audit_);
    AnswerFrom(world_, seats_.ListConcerts_);
    AnswerFrom(world_, queue_.ListQueues_);
    AnswerFrom(world_, ranking_.Audit_);
    reservation_host_.Start(reservations_, {}).value();
    wallet_host_.Start(wallet_, {}).value();
    payment_host_.Start(payments_, {}).value();
    seat_host_.Start(seats_, {}).value();
    queue_host_.Start(queue_, {}).value();
    ranking_host_.Start(ranking_, {}).value();
    auto& show = world_.shows[7];
    show.set_id(7);
    show.set_capacity(50);
    show.set_free(50);
    show.set_seat_limit(8);
    show.set_highest_seat_limit(8);
    auto& queue = *world_.queues.add_queues();
    queue.set_show_id(7);
    queue.set_active_cap(10);
    world_.totals.add_totals()->set_currency("KRW");
  }

  rpc::ChannelFactory Channels() {
    return [this](std::string_view service) -> std::shared_ptr<grpc::Channel> {
      if (service == "reservation") return reservation_host_.InProcessChannel();
      if (service == "wallet") return wallet_host_.InProcessChannel();
      if (service == "payment") return payment_host_.InProcessChannel();
      if (service == "seat") return seat_host_.InProcessChannel();
      if (service == "queue") return queue_host_.InProcessChannel();
      return ranking_host_.InProcessChannel();
    };
  }
  module::Runtime RuntimeWith(obs::Registry& metrics) {
    return {.clock = clock_,
            .random = random_,
            .metrics = metrics,
            .bus = bus_,
            .channels = Channels(),
            .data_dir = {},
            .listen = {}};
  }

  // A reservation of one seat for 100 KRW that was confirmed an hour ago, and all that belongs to it.
  ReservationId Sell(uint32_t seat_no, const std::string& user = {}) {
    const auto at = kStart - milliseconds(3'600'000) + milliseconds(seat_no);
    const auto id = ReservationId::Make(at, random_);
    const std::string key(id.bytes());
    auto& reservation = world_.reservations[key];
    reservation.set_id(key);
    reservation.set_user_id(user.empty() ? "mina" + std::to_string(seat_no) : user);
    reservation.set_show_id(7);
    auto& seat = *reservation.add_seats();
    seat.set_seat_no(seat_no);
    seat.set_price(100);
    reservation.set_amount(100);
    reservation.set_currency("KRW");
    reservation.set_state(reservation::v1::CONFIRMED);
    reservation.set_version(2);
    reservation.set_updated_at_ms(ToUnixMs(at));
    reservation.mutable_saga()->set_status("done");
    reservation.mutable_saga()->set_kind("one_shot");
    reservation.mutable_saga()->set_epoch(1);

    auto& debit = world_.debits[key];
    debit.set_reservation_id(key);
    debit.set_user_id(reservation.user_id());
    debit.set_currency("KRW");
    debit.set_debited(100);
    debit.set_effective_debits(1);

    payment::v1::Payment payment;
    payment.set_reservation_id(key);
    payment.set_attempt(1);
    payment.set_state(payment::v1::APPROVED);
    payment.set_user_id(reservation.user_id());
    payment.mutable_money()->set_amount(100);
    payment.mutable_money()->set_currency("KRW");
    world_.payments.emplace(key, payment);

    auto& row = world_.seats[{7, seat_no}];
    row.set_show_id(7);
    row.set_seat_no(seat_no);
    row.set_sold(true);
    row.set_price(100);
    row.set_reservation_id(key);
    row.set_user_id(reservation.user_id());
    auto& show = world_.shows[7];
    show.set_free(show.free() - 1);
    show.set_sold(show.sold() + 1);

    Publish(id, "reservation.confirmed", 2);
    if (world_.ranking.rows().empty()) world_.ranking.add_rows()->set_show_id(7);
    auto& counts = *world_.ranking.mutable_rows(0);
    counts.set_confirmed(counts.confirmed() + 1);
    return id;
  }

  void Publish(ReservationId id, const std::string& type, uint64_t version,
               std::initializer_list<uint32_t> seats = {}, int64_t fee = 0, bool from_waitlist = false) {
    ::boxoffice::bus::v1::ReservationEvent body;
    body.set_reservation_id(std::string(id.bytes()));
    body.set_show_id(7);
    body.set_version(version);
    const auto row = world_.reservations.find(std::string(id.bytes()));
    if (row != world_.reservations.end()) body.set_amount(row->second.amount());
    body.set_fee(fee);
    body.set_from_waitlist(from_waitlist);
    for (const uint32_t seat_no : seats) body.add_seat_nos(seat_no);
    bus::Record record;
    record.event.id = EventId::Make(kStart, random_);
    record.event.topic = "reservation";
    record.event.key = id.ToString();
    record.event.type = type;
    record.event.body = body.SerializeAsString();
    world_.log.push_back(std::move(record));
  }

  reservation::v1::Reservation& Row(ReservationId id) {
    return world_.reservations.at(std::string(id.bytes()));
  }

  Result<Verdict> AuditWithin(Limits limits) {
    Auditor auditor(Channels(), bus_, clock_,
                    {.wait =
                         [this](milliseconds how_long) {
                           clock_.Advance(how_long);
                           ++waits_;
                           if (on_wait_) on_wait_();
                           return true;
                         },
                     .after_page = [] { return true; }},
                    {}, {}, limits);
    return auditor.Run();
  }
  Verdict Audit() {
    auto verdict = AuditWithin({});
    EXPECT_TRUE(verdict.has_value()) << verdict.error().reason << " " << verdict.error().detail;
    return verdict.value_or(Verdict{});
  }

  static auto Names(Invariant invariant, const std::string& id) {
    using ::testing::AllOf;
    using ::testing::Contains;
    using ::testing::Field;
    return Contains(AllOf(Field(&Violation::invariant, invariant), Field(&Violation::ids, Contains(id))));
  }

  SeededRandom random_{1};
  ManualClock clock_{kStart};
  World world_;
  FakeReservations reservations_;
  FakeWallet wallet_;
  FakePayments payments_;
  FakeSeats seats_;
  FakeQueue queue_;
  FakeRanking ranking_;
  FakeBus bus_{world_};
  rpc::Host reservation_host_, wallet_host_, payment_host_, seat_host_, queue_host_, ranking_host_;
  std::function<void()> on_wait_;
  int waits_ = 0;
};

}  // namespace boxoffice::audit
