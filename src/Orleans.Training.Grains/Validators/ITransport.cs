namespace Orleans.Training.Grains.Validators;

/// <summary>
/// How a validator's messages reach the others. Untrusted: it may lose, delay, double and reorder; messages authenticate themselves.
/// </summary>
public interface ITransport
{
    /// <summary>Sends without waiting and without a promise; never throws for what goes wrong on the way.</summary>
    void Send(int seat, ReadOnlyMemory<byte> message);
}
