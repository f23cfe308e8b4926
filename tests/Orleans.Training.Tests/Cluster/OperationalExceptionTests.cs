using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;
using Orleans.Training.Grains;

namespace Orleans.Training.Tests.Cluster;

public sealed class OperationalExceptionTests
{
    [Fact]
    public void Refusal_CrossesBetweenSilos_WithItsNumber()
    {
        using var services = new ServiceCollection().AddSerializer().BuildServiceProvider();
        var serializer = services.GetRequiredService<Serializer>();
        foreach (var refusal in new[] { new OperationalException("OT-7003", "No silo."), new LedgerCorruptException("OT-4010", "Damaged.") })
        {
            var arrived = serializer.Deserialize<Exception>(serializer.SerializeToArray<Exception>(refusal));
            Assert.IsType(refusal.GetType(), arrived);
            Assert.Equal((refusal.Code, refusal.Message), (((OperationalException)arrived).Code, arrived.Message));
        }
    }
}
