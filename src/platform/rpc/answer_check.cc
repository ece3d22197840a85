#include "platform/rpc/answer_check.h"

#include <string>

#include "platform/rpc/status.h"

namespace boxoffice::rpc {
namespace {

using grpc::experimental::ClientRpcInfo;
using grpc::experimental::InterceptorBatchMethods;
using Point = grpc::experimental::InterceptionHookPoints;

class AnswerCheck final : public grpc::experimental::Interceptor {
 public:
  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(Point::POST_RECV_STATUS)) {
      grpc::Status& status = *methods->GetRecvStatus();
      if (status.ok() && methods->GetRecvMessage() == nullptr)
        status = ToStatus({Code::kUnknown, std::string(kUnreadable), "it is missing, or no such message"});
    }
    methods->Proceed();  // last: the call, and this with it, may be gone
  }
};

class AnswerChecks final : public grpc::experimental::ClientInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateClientInterceptor(ClientRpcInfo* info) override {
    return info->type() == ClientRpcInfo::Type::UNARY ? new AnswerCheck : nullptr;
  }
};

}  // namespace

std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> CheckAnswers() {
  std::vector<std::unique_ptr<grpc::experimental::ClientInterceptorFactoryInterface>> creators;
  creators.push_back(std::make_unique<AnswerChecks>());
  return creators;
}

}  // namespace boxoffice::rpc
