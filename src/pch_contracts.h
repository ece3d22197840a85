// The generated stubs, precompiled where the whole tree is built at once (BOXOFFICE_PCH_CONTRACTS). As with
// pch.h, no file may count on it; who may include them is checked by tests/checks.
#pragma once
#include "boxoffice/bus/v1/events.pb.h"
#include "boxoffice/payment/v1/payment.grpc.pb.h"
#include "boxoffice/queue/v1/queue.grpc.pb.h"
#include "boxoffice/ranking/v1/ranking.grpc.pb.h"
#include "boxoffice/relay/v1/relay.grpc.pb.h"
#include "boxoffice/reservation/v1/reservation.grpc.pb.h"
#include "boxoffice/seat/v1/seat.grpc.pb.h"
#include "boxoffice/wallet/v1/wallet.grpc.pb.h"
