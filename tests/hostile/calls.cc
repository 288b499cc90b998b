#include "tests/hostile/calls.h"

#include <functional>
#include <memory>
#include <string>

#include "closewrite/v1/fleet.grpc.pb.h"
#include "closewrite/v1/job.grpc.pb.h"
#include "closewrite/v1/pipeline.grpc.pb.h"
#include "closewrite/v1/store.grpc.pb.h"
#include "closewrite/v1/task.grpc.pb.h"
#include "services/clock/clock.h"
#include "services/transport/errors.h"
#include "tests/hostile/talk.h"

namespace closewrite::hostile {
namespace {

constexpr char kRequestId[] = "hostile";

using Channel = std::shared_ptr<grpc::Channel>;

grpc::Status SubmitJobs(grpc::ClientContext* context, const Channel& channel,
                        const Options& options) {
  v1::SubmitJobsRequest request;
  request.set_request_id(kRequestId);
  v1::VolumePath* const file = request.add_files();
  file->set_volume(options.foreign.empty() ? options.volume : options.foreign.front());
  file->set_path("lie.csv");
  v1::SubmitJobsResponse response;
  return v1::JobService::NewStub(channel)->SubmitJobs(context, request, &response);
}

grpc::Status CancelJobs(grpc::ClientContext* context, const Channel& channel,
                        const Options& options) {
  v1::CancelJobsRequest request;
  request.set_request_id(kRequestId);
  request.add_job_ids(options.job);
  request.set_reason("a lie");
  v1::CancelJobsResponse response;
  return v1::JobService::NewStub(channel)->CancelJobs(context, request, &response);
}

grpc::Status RetryJobs(grpc::ClientContext* context, const Channel& channel,
                       const Options& options) {
  v1::RetryJobsRequest request;
  request.set_request_id(kRequestId);
  request.add_job_ids(options.job);
  v1::RetryJobsResponse response;
  return v1::JobService::NewStub(channel)->RetryJobs(context, request, &response);
}

grpc::Status ListJobs(grpc::ClientContext* context, const Channel& channel, const Options&) {
  v1::ListJobsResponse response;
  return v1::JobService::NewStub(channel)->ListJobs(context, {}, &response);
}

grpc::Status ReadLog(grpc::ClientContext* context, const Channel& channel, const Options& options) {
  v1::ReadLogRequest request;
  request.set_job_id(options.job);
  const auto stub = v1::JobService::NewStub(channel);
  const auto stream = stub->ReadLog(context, request);
  v1::ReadLogResponse response;
  if (stream->Read(&response)) context->TryCancel();
  return stream->Finish();
}

grpc::Status ApplyPipelines(grpc::ClientContext* context, const Channel& channel,
                            const Options& options) {
  v1::ApplyPipelinesRequest request;
  request.set_request_id(kRequestId);
  v1::Pipeline* const pipeline = request.add_pipelines();
  pipeline->set_name("hostile");
  pipeline->mutable_on()->set_volume(options.volume);
  pipeline->mutable_on()->add_match("**");
  pipeline->mutable_run()->add_command("false");
  v1::ApplyPipelinesResponse response;
  return v1::PipelineService::NewStub(channel)->ApplyPipelines(context, request, &response);
}

grpc::Status ApplyTasks(grpc::ClientContext* context, const Channel& channel, const Options&) {
  v1::ApplyTasksRequest request;
  request.set_request_id(kRequestId);
  request.add_tasks()->set_name("hostile");
  request.mutable_tasks(0)->mutable_run()->add_command("false");
  v1::ApplyTasksResponse response;
  return v1::TaskService::NewStub(channel)->ApplyTasks(context, request, &response);
}

grpc::Status DrainExecutors(grpc::ClientContext* context, const Channel& channel,
                            const Options& options) {
  v1::DrainExecutorsRequest request;
  request.set_request_id(kRequestId);
  request.add_names(options.owner.empty() ? options.name : options.owner);
  v1::DrainExecutorsResponse response;
  return v1::FleetService::NewStub(channel)->DrainExecutors(context, request, &response);
}

grpc::Status BackUpStore(grpc::ClientContext* context, const Channel& channel, const Options&) {
  const auto stub = v1::StoreService::NewStub(channel);
  const auto stream = stub->BackUpStore(context, {});
  v1::BackUpStoreResponse response;
  if (stream->Read(&response)) context->TryCancel();
  return stream->Finish();
}

struct Call {
  const char* name;
  grpc::Status (*make)(grpc::ClientContext*, const Channel&, const Options&);
};
constexpr Call kCalls[] = {
    {"SubmitJobs", SubmitJobs},   {"CancelJobs", CancelJobs},
    {"RetryJobs", RetryJobs},     {"ListJobs", ListJobs},
    {"ReadLog", ReadLog},         {"ApplyPipelines", ApplyPipelines},
    {"ApplyTasks", ApplyTasks},   {"DrainExecutors", DrainExecutors},
    {"BackUpStore", BackUpStore},
};

}  // namespace

void MakeForbiddenCalls(const Stage& stage) {
  const Channel channel = stage.dialer.Dial();
  for (const Call& call : kCalls) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(WallTime() + kPatience));
    const absl::Status answer = FromGrpc(call.make(&context, channel, stage.options));
    stage.findings.Add(call.name, answer,
                       absl::IsPermissionDenied(answer) || absl::IsUnauthenticated(answer));
  }
}

}  // namespace closewrite::hostile
