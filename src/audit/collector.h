// Asks the services for facts, each through its own API. Knows protos; judges nothing.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "audit/facts.h"
#include "base/id.h"
#include "base/result.h"
#include "boxoffice/payment/v1/payment.grpc.pb.h"
#include "boxoffice/queue/v1/queue.grpc.pb.h"
#include "boxoffice/ranking/v1/ranking.grpc.pb.h"
#include "boxoffice/reservation/v1/reservation.grpc.pb.h"
#include "boxoffice/seat/v1/seat.grpc.pb.h"
#include "boxoffice/wallet/v1/wallet.grpc.pb.h"
#include "platform/rpc/host.h"
#include "platform/rpc/unary.h"

namespace boxoffice::audit {

// Every call blocks until it is answered, 10 s at most but for Ledgers, and gives at most one page. Errors:
// as the service gave them, with its name in front of the detail; timeout; answer_malformed (an id that is
// none). Not thread-safe, but for Cancel.
class Collector {
 public:
  static constexpr uint32_t kPage = 1000;  // rows of most calls

  // Rows of reservations in the order of their ids; an id may have several rows, never on two pages.
  template <typename Row>
  struct Page {
    std::vector<std::pair<ReservationId, Row>> rows;
    bool more = false;
  };
  struct Seat {
    SeatFact fact;
    std::string user_id;
  };
  struct SeatPage {
    std::vector<Seat> rows;  // of one show, in the order of seat_no
    bool more = false;
    std::optional<ShowFact> show;  // as the service counts it; none: no such show
  };
  struct Place {
    PlaceFact fact;
    std::string user_id;
    ReservationId offer;  // nil: there was none
  };
  struct PlacePage {
    std::vector<Place> rows;  // of one show, in the order of joining
    bool more = false;
  };
  struct Queue {
    int64_t show_id = 0;
    uint64_t active_cap = 0;
    uint64_t active = 0;
  };

  struct RankingCounts {
    std::map<int64_t, RankingFact::Counts> shows;
    bool rebuilding = false;  // they are not yet those of the whole log
  };

  explicit Collector(const rpc::ChannelFactory& channels);

  [[nodiscard]] Result<Page<ReservationFact>> Reservations(ReservationId after);
  [[nodiscard]] Result<std::optional<ReservationFact>> Reservation(ReservationId id);
  [[nodiscard]] Result<Page<DebitFact>> Debits(ReservationId after);
  [[nodiscard]] Result<std::vector<DebitFact>> DebitsOf(ReservationId id);
  [[nodiscard]] Result<Page<PaymentFact>> Payments(ReservationId after);
  [[nodiscard]] Result<std::vector<PaymentFact>> PaymentsOf(ReservationId id);

  // Ids of all shows, ascending.
  [[nodiscard]] Result<std::vector<int64_t>> Shows();
  // Owned seats behind `after_seat_no`; `limit` up to kPage.
  [[nodiscard]] Result<SeatPage> Seats(int64_t show_id, uint32_t after_seat_no, uint32_t limit = kPage);

  // The places on a show's waitlist behind `after_place`, of one user if one is named; `limit` up to kPage.
  [[nodiscard]] Result<PlacePage> Places(int64_t show_id, uint64_t after_place,
                                         const std::string& user_id = {}, uint32_t limit = kPage);

  // Whether the reservations of a cancelled show are being cancelled.
  [[nodiscard]] Result<bool> CancellationRuns(int64_t show_id);

  // Ledgers and bad_wallet_users of Facts. Takes minutes of a large ledger. Also: stopping, after Cancel.
  [[nodiscard]] Result<Facts> Ledgers();
  [[nodiscard]] Result<std::vector<Queue>> Queues();
  [[nodiscard]] Result<RankingCounts> Ranking();

  // What may take minutes ends at once, from now on.
  void Cancel();

 private:
  template <typename Response, typename Request, typename Start>
  [[nodiscard]] Result<Response> Ask(const char* service, Request request, Start start);
  template <typename Response, typename Request, typename Start>
  [[nodiscard]] Result<Response> Ask(const char* service, Request request, Start start,
                                     std::chrono::milliseconds timeout, rpc::OpenCalls& calls);

  boost::asio::io_context io_;  // runs only inside Ask
  rpc::OpenCalls long_calls_;
  std::atomic<bool> cancelled_ = false;
  std::unique_ptr<reservation::v1::ReservationService::Stub> reservation_;
  std::unique_ptr<wallet::v1::WalletService::Stub> wallet_;
  std::unique_ptr<payment::v1::PaymentService::Stub> payment_;
  std::unique_ptr<seat::v1::SeatService::Stub> seat_;
  std::unique_ptr<queue::v1::QueueService::Stub> queue_;
  std::unique_ptr<ranking::v1::RankingService::Stub> ranking_;
};

}  // namespace boxoffice::audit
