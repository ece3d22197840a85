#include "services/relay/rpc_server.h"

#include <optional>
#include <string>
#include <vector>

#include "platform/rpc/unary.h"
#include "services/relay/webhook_client.h"

namespace boxoffice::relay {
namespace {

constexpr uint32_t kMaxPage = 200;

std::unexpected<Error> BadArgument(std::string detail) {
  return Fail(Code::kInvalidArgument, "invalid_argument", std::move(detail));
}

v1::Target ToProto(const Target& target, Timestamp now) {
  v1::Target out;
  out.set_id(target.id);
  out.set_url(target.url);
  for (const std::string& type : target.event_types) out.add_event_types(type);
  out.set_enabled(target.enabled);
  out.set_disabled_reason(target.disabled_reason);
  out.set_created_at_ms(ToUnixMs(target.created_at));
  for (const int64_t id : target.show_ids) out.add_show_ids(id);
  out.set_payload(std::string(PayloadName(target.payload)));
  out.set_rate_per_s(target.rate_per_s);
  if (!target.old_secret.empty()) out.set_old_secret_until_ms(ToUnixMs(target.old_secret_until));
  if (target.paused_until > now) out.set_paused_until_ms(ToUnixMs(target.paused_until));
  return out;
}

v1::Target WithSecret(const Target& target, Timestamp now) {
  v1::Target out = ToProto(target, now);
  out.set_secret(FormatSecret(target.secret));
  return out;
}

Result<Payload> PayloadIn(const std::string& name) {
  const std::optional<Payload> payload = ParsePayload(name);
  if (!payload) return BadArgument("payload: thin or full");
  return *payload;
}

Result<Target> FromProto(const v1::CreateTargetRequest& request) {
  Target choices;
  choices.url = request.url();
  choices.event_types.assign(request.event_types().begin(), request.event_types().end());
  choices.show_ids.assign(request.show_ids().begin(), request.show_ids().end());
  choices.rate_per_s = request.rate_per_s();
  if (!request.payload().empty()) {
    BOXOFFICE_ASSIGN(choices.payload, PayloadIn(request.payload()));
  }
  return choices;
}

Result<TargetChange> FromProto(const v1::ChangeTargetRequest& request) {
  TargetChange change;
  if (request.has_url()) change.url = request.url();
  if (request.has_event_types()) {
    const auto& values = request.event_types().values();
    change.event_types.emplace(values.begin(), values.end());
  }
  if (request.has_show_ids()) {
    const auto& values = request.show_ids().values();
    change.show_ids.emplace(values.begin(), values.end());
  }
  if (request.has_payload()) {
    BOXOFFICE_ASSIGN(change.payload, PayloadIn(request.payload()));
  }
  if (request.has_rate_per_s()) change.rate_per_s = request.rate_per_s();
  if (request.has_enabled()) change.enabled = request.enabled();
  return change;
}

Result<ReplayRequest> FromProto(const v1::ReplayDeliveriesRequest& request) {
  if (request.from_ms() < 0) return BadArgument("from: before 1970");
  if (request.until_ms() < 0) return BadArgument("until: before 1970");
  ReplayRequest replay;
  replay.ids.assign(request.ids().begin(), request.ids().end());
  replay.target_id = request.target_id();
  replay.from = FromUnixMs(request.from_ms());
  if (request.until_ms() != 0) replay.until = FromUnixMs(request.until_ms());
  return replay;
}

v1::Delivery ToProto(const Delivery& delivery) {
  v1::Delivery out;
  out.set_id(delivery.id);
  out.set_target_id(delivery.target_id);
  out.set_event_id(delivery.event_id.ToString());
  out.set_event_type(delivery.event_type);
  out.set_state(std::string(StateName(delivery.state)));
  out.set_attempts(static_cast<uint32_t>(delivery.attempts));
  if (delivery.next_attempt_at) out.set_next_attempt_at_ms(ToUnixMs(*delivery.next_attempt_at));
  out.set_last_status(static_cast<uint32_t>(delivery.last_status));
  out.set_last_error(delivery.last_error);
  out.set_created_at_ms(ToUnixMs(delivery.created_at));
  if (delivery.delivered_at) out.set_delivered_at_ms(ToUnixMs(*delivery.delivered_at));
  return out;
}

Result<DeliveryQuery> FromProto(const v1::ListDeliveriesRequest& request) {
  if (request.limit() < 1 || request.limit() > kMaxPage) return BadArgument("limit: 1 to 200");
  if (request.target_id() < 0) return BadArgument("target_id: negative");
  if (request.before_id() < 0) return BadArgument("before_id: negative");
  DeliveryQuery query{request.target_id(), std::nullopt, request.before_id(), request.limit() + 1};
  if (!request.state().empty()) {
    query.state = ParseState(request.state());
    if (!query.state) return BadArgument("state: pending, delivered or dead");
  }
  return query;
}

}  // namespace

grpc::ServerUnaryReactor* RelayRpcServer::CreateTarget(grpc::CallbackServerContext* context,
                                                       const v1::CreateTargetRequest* request,
                                                       v1::Target* response) {
  return rpc::Answer<v1::Target>(context, pool_, response, [this, request]() -> Result<v1::Target> {
    BOXOFFICE_ASSIGN(Target choices, FromProto(*request));
    BOXOFFICE_ASSIGN(const Target target,
                     service_.CreateTarget(request->operation_key(), std::move(choices)));
    return WithSecret(target, clock_.Now());
  });
}

grpc::ServerUnaryReactor* RelayRpcServer::ChangeTarget(grpc::CallbackServerContext* context,
                                                       const v1::ChangeTargetRequest* request,
                                                       v1::Target* response) {
  return rpc::Answer<v1::Target>(context, pool_, response, [this, request]() -> Result<v1::Target> {
    BOXOFFICE_ASSIGN(const TargetChange change, FromProto(*request));
    BOXOFFICE_ASSIGN(const Target target, service_.ChangeTarget(request->id(), change));
    due_();
    return ToProto(target, clock_.Now());
  });
}

grpc::ServerUnaryReactor* RelayRpcServer::RotateSecret(grpc::CallbackServerContext* context,
                                                       const v1::RotateSecretRequest* request,
                                                       v1::Target* response) {
  return rpc::Answer<v1::Target>(context, pool_, response, [this, request]() -> Result<v1::Target> {
    BOXOFFICE_ASSIGN(const Target target, service_.RotateSecret(request->operation_key(), request->id(),
                                                                milliseconds(request->keep_old_ms())));
    return WithSecret(target, clock_.Now());
  });
}

grpc::ServerUnaryReactor* RelayRpcServer::TestTarget(grpc::CallbackServerContext* context,
                                                     const v1::TestTargetRequest* request,
                                                     v1::Delivery* response) {
  return rpc::Answer<v1::Delivery>(context, pool_, response, [this, request]() -> Result<v1::Delivery> {
    BOXOFFICE_ASSIGN(const Delivery delivery, service_.TestTarget(request->id()));
    due_();
    return ToProto(delivery);
  });
}

grpc::ServerUnaryReactor* RelayRpcServer::DeleteTarget(grpc::CallbackServerContext* context,
                                                       const v1::DeleteTargetRequest* request,
                                                       v1::DeleteTargetResponse* response) {
  return rpc::Answer<v1::DeleteTargetResponse>(context, pool_, response,
                                               [this, request]() -> Result<v1::DeleteTargetResponse> {
                                                 BOXOFFICE_TRY(service_.DeleteTarget(request->id()));
                                                 due_();
                                                 return v1::DeleteTargetResponse();
                                               });
}

grpc::ServerUnaryReactor* RelayRpcServer::ListTargets(grpc::CallbackServerContext* context,
                                                      const v1::ListTargetsRequest* request,
                                                      v1::ListTargetsResponse* response) {
  return rpc::Answer<v1::ListTargetsResponse>(
      context, pool_, response, [this, request]() -> Result<v1::ListTargetsResponse> {
        if (request->limit() < 1 || request->limit() > kMaxPage) return BadArgument("limit: 1 to 200");
        BOXOFFICE_ASSIGN(std::vector<Target> targets,
                         service_.ListTargets(request->after_id(), request->limit() + 1));
        v1::ListTargetsResponse out;
        out.set_more(targets.size() > request->limit());
        if (out.more()) targets.pop_back();
        for (const Target& target : targets) *out.add_targets() = ToProto(target, clock_.Now());
        return out;
      });
}

grpc::ServerUnaryReactor* RelayRpcServer::ListDeliveries(grpc::CallbackServerContext* context,
                                                         const v1::ListDeliveriesRequest* request,
                                                         v1::ListDeliveriesResponse* response) {
  return rpc::Answer<v1::ListDeliveriesResponse>(
      context, pool_, response, [this, request]() -> Result<v1::ListDeliveriesResponse> {
        BOXOFFICE_ASSIGN(const DeliveryQuery query, FromProto(*request));
        BOXOFFICE_ASSIGN(std::vector<Delivery> deliveries, service_.ListDeliveries(query));
        v1::ListDeliveriesResponse out;
        out.set_more(deliveries.size() > request->limit());
        if (out.more()) deliveries.pop_back();
        for (const Delivery& delivery : deliveries) *out.add_deliveries() = ToProto(delivery);
        return out;
      });
}

grpc::ServerUnaryReactor* RelayRpcServer::GetDelivery(grpc::CallbackServerContext* context,
                                                      const v1::GetDeliveryRequest* request,
                                                      v1::Delivery* response) {
  return rpc::Answer<v1::Delivery>(context, pool_, response, [this, request]() -> Result<v1::Delivery> {
    BOXOFFICE_ASSIGN(const DeliveryWithBody found, service_.GetDelivery(request->id()));
    v1::Delivery out = ToProto(found.delivery);
    if (!found.body.empty()) out.set_body(BodyFor(found.payload, found.body));
    return out;
  });
}

grpc::ServerUnaryReactor* RelayRpcServer::ReplayDeliveries(grpc::CallbackServerContext* context,
                                                           const v1::ReplayDeliveriesRequest* request,
                                                           v1::ReplayDeliveriesResponse* response) {
  return rpc::Answer<v1::ReplayDeliveriesResponse>(
      context, pool_, response, [this, request]() -> Result<v1::ReplayDeliveriesResponse> {
        BOXOFFICE_ASSIGN(const ReplayRequest replay, FromProto(*request));
        BOXOFFICE_ASSIGN(const Replayed replayed, service_.ReplayDeliveries(replay));
        due_();
        v1::ReplayDeliveriesResponse out;
        out.set_replayed(static_cast<uint32_t>(replayed.count));
        out.set_pending(static_cast<uint32_t>(replayed.pending));
        for (const Replayed::Refused& refused : replayed.refused) {
          v1::ReplayDeliveriesResponse::Refused& row = *out.add_refused();
          row.set_id(refused.id);
          row.set_code(refused.code);
        }
        out.set_more(replayed.more);
        return out;
      });
}

grpc::ServerUnaryReactor* RelayRpcServer::ReplayDelivery(grpc::CallbackServerContext* context,
                                                         const v1::ReplayDeliveryRequest* request,
                                                         v1::Delivery* response) {
  return rpc::Answer<v1::Delivery>(context, pool_, response, [this, request]() -> Result<v1::Delivery> {
    BOXOFFICE_ASSIGN(const Delivery delivery, service_.ReplayDelivery(request->id()));
    due_();
    return ToProto(delivery);
  });
}

}  // namespace boxoffice::relay
