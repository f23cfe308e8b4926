using Orleans.Training.Protocol;

namespace Orleans.Training.Grains.Validators;

/// <summary>
/// How a validator's messages reach the others. Untrusted: it may lose, delay, double and reorder; messages authenticate themselves.
/// </summary>
public interface ITransport
{
    /// <summary>Sends to an organisation without waiting and without a promise; never throws for what goes wrong on the way.</summary>
    void Send(ParticipantId to, ReadOnlyMemory<byte> message);
}
