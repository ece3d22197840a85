#include "services/wallet/store_events.h"

#include <cstdlib>

#include "boxoffice/bus/v1/events.pb.h"

namespace boxoffice::wallet {
namespace {

const char* EventType(EntryKind kind) {
  switch (kind) {
    case EntryKind::kTopUp:
      return "wallet.charged";
    case EntryKind::kDebit:
      return "wallet.debited";
    case EntryKind::kRefund:
    case EntryKind::kPartialRefund:
      return "wallet.refunded";
    case EntryKind::kAdjustment:
      return "wallet.adjusted";
    case EntryKind::kTopUpReversal:
      return "wallet.charge_reversed";
  }
  return "";
}

}  // namespace

bus::Event ToEvent(const Entry& entry) {
  boxoffice::bus::v1::WalletEvent body;
  body.set_user_id(entry.user_id);
  body.set_entry_id(std::string(entry.id.bytes()));
  if (!entry.reservation.IsNil()) body.set_reservation_id(std::string(entry.reservation.bytes()));
  const bool signed_amount = entry.kind == EntryKind::kAdjustment;
  body.set_amount(signed_amount ? entry.money.amount : std::abs(entry.money.amount));
  body.set_currency(std::string(entry.money.currency.code()));
  body.set_balance_after(entry.balance_after);
  body.set_at_ms(ToUnixMs(entry.created_at));

  bus::Event event;
  event.id = EventId(entry.id.uuid());
  event.topic = "wallet";
  event.key = entry.user_id;
  event.type = EventType(entry.kind);
  event.traceparent = entry.traceparent;
  event.body = body.SerializeAsString();
  event.time = entry.created_at;
  return event;
}

}  // namespace boxoffice::wallet
