// boxoffice-payment: payment as a process of its own.
#include "platform/module/serve.h"
#include "services/payment/module.h"

int main(int argc, char** argv) {
  return boxoffice::module::ServeMain(argc, argv, boxoffice::payment::Program());
}
