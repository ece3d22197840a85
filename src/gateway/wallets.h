// A user's wallet as its owner sees it, and as operators do.
#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "boxoffice/wallet/v1/wallet.pb.h"
#include "gateway/edge.h"
#include "gateway/render.h"
#include "platform/http/message.h"

namespace boxoffice::gateway {

// Each answers GET about the wallet of `user`; operators are shown who did what, besides.
[[nodiscard]] asio::awaitable<http::Response> AnswerWallet(Edge& edge, http::Request& request,
                                                           std::string user, Audience audience);
// Queries: limit, cursor, currency, from, until.
[[nodiscard]] asio::awaitable<http::Response> AnswerEntries(Edge& edge, http::Request& request,
                                                            std::string user, Audience audience);
// Queries: currency, which is required; from, until.
[[nodiscard]] asio::awaitable<http::Response> AnswerStatement(Edge& edge, http::Request& request,
                                                              std::string user);

// Why the wallet refused a command, with what the refusal is about.
[[nodiscard]] http::Response WalletRefusal(const wallet::v1::WalletOutcome& outcome);

// "ACTIVE", "FROZEN" or "CLOSED".
[[nodiscard]] std::string_view StateName(wallet::v1::WalletState state);

}  // namespace boxoffice::gateway
