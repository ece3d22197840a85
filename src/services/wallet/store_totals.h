// What both stores make of the sums over their ledger.
#pragma once

#include <map>
#include <set>
#include <string>

#include "services/wallet/store.h"

namespace boxoffice::wallet {

// Of what was found by currency, and of the users whose wallets are unequal or negative.
[[nodiscard]] inline Totals MakeTotals(const std::map<Currency, CurrencyTotals>& currencies,
                                       const std::set<std::string>& bad_users) {
  Totals totals;
  for (const auto& [currency, found] : currencies) {
    totals.currencies.push_back(found);
    totals.currencies.back().currency = currency;
  }
  for (const std::string& user : bad_users) {
    if (totals.bad_users.size() == kMaxBadUsers) break;
    totals.bad_users.push_back(user);
  }
  return totals;
}

}  // namespace boxoffice::wallet
