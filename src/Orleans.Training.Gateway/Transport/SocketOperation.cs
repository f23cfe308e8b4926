using GraphQL;
using GraphQL.Transport;
using GraphQLParser.AST;
using Orleans.Training.Gateway.Keys;

namespace Orleans.Training.Gateway.Transport;

/// <summary>One operation of a connection: a query, a mutation or a subscription with its stream.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "Neither field ever has a timer or a wait handle, and both are used by whoever comes last.")]
internal sealed class SocketOperation(string id, SocketConnection connection) : IObserver<ExecutionResult>
{
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _inFlight = new(GatewayLimits.EventsInFlight);
    private IDisposable? _stream;

    public string Id => id;

    public async Task Run(Executor executor, GraphRequest request, Caller caller)
    {
        try
        {
            var result = await executor.Execute(request, new GraphCall(caller, _inFlight), Carries.Everything, _stop.Token);
            if (_stop.IsCancellationRequested) return;
            if (result.Streams is { Count: > 0 } streams)
            {
                _stream = streams.Values.First().Subscribe(this);
                if (_stop.IsCancellationRequested) _stream.Dispose();
            }
            else if (result.Executed && result.Operation?.Operation is not OperationType.Subscription)
            {
                connection.Send(new OperationMessage { Id = id, Type = "next", Payload = result });
                OnCompleted();
            }
            else
            {
                Fail(result.Errors ?? [ApiErrors.Of(ApiErrors.Internal, "The operation has no result.")]);
            }
        }
        catch (OperationCanceledException)
        {
            // The client completed it, or is gone.
        }
        catch (Exception)
        {
            Fail([ApiErrors.Of(ApiErrors.Internal, "The gateway failed; its log says why.")]);
        }
    }

    /// <summary>Ends the operation without a word.</summary>
    public void End()
    {
        _stop.Cancel();
        _stream?.Dispose();
    }

    public void OnNext(ExecutionResult value)
    {
        if (_stop.IsCancellationRequested || !connection.IsStillWelcome()) return;
        connection.Send(new OperationMessage { Id = id, Type = "next", Payload = value }, () => _inFlight.Release());
    }

    public void OnError(Exception error)
    {
        if (!_stop.IsCancellationRequested) Fail([error as ExecutionError ?? ApiErrors.Of(ApiErrors.Internal, "The subscription ended; go on after the last cursor.")]);
    }

    public void OnCompleted()
    {
        if (_stop.IsCancellationRequested) return;
        connection.Forget(this);
        connection.Send(new OperationMessage { Id = id, Type = "complete" });
        End();
    }

    private void Fail(ExecutionErrors errors)
    {
        connection.Forget(this);
        connection.Send(new OperationMessage { Id = id, Type = "error", Payload = errors });
        End();
    }

    private void Fail(IEnumerable<ExecutionError> errors)
    {
        var all = new ExecutionErrors();
        all.AddRange(errors);
        Fail(all);
    }
}
