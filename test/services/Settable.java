import java.util.List;
import org.elasticsearch.common.settings.Setting;
import org.elasticsearch.common.settings.Setting.Property;
import org.elasticsearch.plugins.Plugin;

/**
 * Lets tests make indices of any age, and indices that say they are managed by ILM (nothing manages
 * them here).
 */
public class Settable extends Plugin {
    @Override
    public List<Setting<?>> getSettings() {
        return List.of(
            Setting.longSetting("index.creation_date", -1, -1, Property.IndexScope),
            Setting.simpleString("index.lifecycle.name", Property.Dynamic, Property.IndexScope),
            Setting.simpleString("index.lifecycle.rollover_alias", Property.Dynamic, Property.IndexScope));
    }
}
